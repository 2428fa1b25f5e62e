"""Images and grids as messages, without ROS: objects with the same fields."""

from types import SimpleNamespace

import numpy as np
from bddseg_ros2.fill import fill_grid, fill_image
from bddseg_ros2.grid import GridSpec
from bddseg_ros2.read import read_image_message

IMAGE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_what_is_written_is_read_again() -> None:
    header = object()
    color, labels = SimpleNamespace(), SimpleNamespace()
    fill_image(color, IMAGE, header)
    fill_image(labels, IMAGE[..., 0], header)
    assert (color.encoding, color.step, labels.encoding, labels.step) == ("rgb8", 21, "mono8", 7)
    assert color.header is labels.header is header
    assert np.array_equal(read_image_message(color), IMAGE)
    assert np.array_equal(read_image_message(labels)[..., 0], IMAGE[..., 0])


def test_a_grid_is_written_row_by_row_from_its_first_cell() -> None:
    spec = GridSpec(size_m=(1.5, 1.0), resolution_m=0.5, origin_m=(2.0, -0.5))
    message = SimpleNamespace(
        info=SimpleNamespace(origin=SimpleNamespace(position=SimpleNamespace(x=0, y=0)))
    )
    header = SimpleNamespace(stamp="now", frame_id="map")
    fill_grid(message, np.array([[0, 100, -1], [1, 2, 3]], np.int8), spec, header)
    assert (message.info.height, message.info.width, message.info.resolution) == (2, 3, 0.5)
    assert (message.info.origin.position.x, message.info.origin.position.y) == (2.0, -0.5)
    assert list(message.data) == [0, 100, -1, 1, 2, 3]
    assert message.info.map_load_time == "now"

"""Images as messages, without ROS: objects with the same fields."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bddseg_ros2.grid import GridSpec
from bddseg_ros2.messages import fill_grid, fill_image, read_image_message

from bddseg.errors import BddsegError
from bddseg.types import Image


@dataclass
class Message:
    """The fields of sensor_msgs/Image."""

    header: Any = None
    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: Any = field(default_factory=bytes)


def make_image() -> Image:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def encode(image: Image, encoding: str) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    alpha = np.full((*image.shape[:2], 1), 9, np.uint8)
    order = image[..., ::-1] if encoding.startswith("bgr") else image
    if encoding == "mono8":
        return image[..., :1]
    return np.concatenate([order, alpha], axis=2) if "a8" in encoding else order


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_pixels_are_read_whatever_their_order_and_padding(
    encoding: str, padding: int, is_bigendian: int
) -> None:
    image = make_image()
    pixels = encode(image, encoding)
    rows = pixels.reshape(5, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Message(
        height=5,
        width=7,
        encoding=encoding,
        is_bigendian=is_bigendian,
        step=padded.shape[1],
        data=padded.tobytes(),
    )
    found = read_image_message(message)
    expected = np.repeat(image[..., :1], 3, axis=2) if encoding == "mono8" else image
    assert found.flags.c_contiguous
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb8", "yuv422", "8UC3", "", "RGB8"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(BddsegError, match=f"encoding '{encoding}' are not supported"):
        read_image_message(Message(height=1, width=1, encoding=encoding, step=8, data=bytes(8)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": 5}, "each row needs 6"),
        ({"data": bytes(11)}, "has 11 bytes"),
        ({"height": 0}, "its size is 2x0"),
        ({"width": 0}, "its size is 0x2"),
        ({"height": 100_000, "width": 100_000}, "pixels were expected"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, Any], said: str) -> None:
    message = Message(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(BddsegError, match=said):
        read_image_message(message)


def test_what_is_written_is_read_again() -> None:
    header = object()
    color, labels = Message(), Message()
    fill_image(color, make_image(), header)
    fill_image(labels, make_image()[..., 0], header)
    assert (color.encoding, color.step, labels.encoding, labels.step) == ("rgb8", 21, "mono8", 7)
    assert color.header is labels.header is header
    assert np.array_equal(read_image_message(color), make_image())
    assert np.array_equal(read_image_message(labels)[..., 0], make_image()[..., 0])


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

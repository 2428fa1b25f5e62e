"""Images and grids as ROS messages, by their fields alone: ROS is not imported."""

import array
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bddseg.errors import BddsegError
from bddseg.inference.images import to_image
from bddseg.io.read import check_size
from bddseg.types import Image
from bddseg_ros2.grid import GridSpec

# Bytes of a pixel.
_CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}


class ImageMessage(Protocol):
    """The fields of `sensor_msgs/Image`.

    Attributes:
        header: Time and frame id.
        height: Number of rows.
        width: Number of columns.
        encoding: What a pixel is.
        is_bigendian: Order of the bytes of a channel; of 8-bit channels it means nothing.
        step: Bytes of a row, with those that fill it up.
        data: All rows.
    """

    header: Any
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def read_image_message(message: ImageMessage) -> Image:
    """Return an image message as RGB, (H, W, 3), uint8.

    Args:
        message: Of encoding mono8, rgb8, bgr8, rgba8 or bgra8, of either byte order, with or
            without bytes that fill up the rows. Alpha is ignored.

    Raises:
        BddsegError: it has another encoding or too many pixels, or its size does not fit its data.
    """
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        raise BddsegError(
            f"Images of encoding '{message.encoding}' are not supported.",
            f"Convert them to one of {', '.join(_CHANNELS)}, for example with image_proc.",
        )
    height, width, step = message.height, message.width, message.step
    try:
        check_size((height, width))
    except ValueError as error:
        raise BddsegError(f"An image cannot be used: {error}.", "Check its publisher.") from error
    data = np.frombuffer(message.data, np.uint8)
    row = width * channels
    if step < row or len(data) < step * height:
        raise BddsegError(
            f"An image of {width}x{height} {message.encoding} pixels has {len(data)} bytes, with "
            f"{step} in each row; each row needs {row}.",
            "Check its publisher.",
        )
    rows = data[: step * height].reshape(height, step)[:, :row]
    return to_image(rows.reshape(height, width, channels), bgr=message.encoding.startswith("bgr"))


def fill_image(message: ImageMessage, image: npt.NDArray[np.uint8], header: Any) -> None:
    """Set the fields of an image message: mono8 for (H, W), rgb8 for (H, W, 3), uint8.

    Args:
        message: The message.
        image: The image, or a label map.
        header: Header of the image that it was made of.
    """
    message.header = header
    message.height, message.width = image.shape[:2]
    message.encoding = "mono8" if image.ndim == 2 else "rgb8"
    message.is_bigendian = 0
    message.step = image.nbytes // image.shape[0]
    # The type of the field: rclpy checks every byte of any other.
    message.data = array.array("B", image.tobytes())


def fill_grid(message: Any, cells: npt.NDArray[np.int8], spec: GridSpec, header: Any) -> None:
    """Set the fields of a `nav_msgs/OccupancyGrid`.

    Args:
        message: The message; its orientation stays as it is, which is none.
        cells: Values, (rows along y, columns along x), int8.
        spec: Size and place of the grid.
        header: Header with the frame id of the ground plane.
    """
    message.header = header
    message.info.map_load_time = header.stamp
    message.info.resolution = spec.resolution_m
    message.info.height, message.info.width = cells.shape
    message.info.origin.position.x, message.info.origin.position.y = spec.origin_m
    message.data = array.array("b", cells.tobytes())

"""ROS messages of images and grids, by their fields alone: ROS is not imported."""

import array
from typing import Any

import numpy as np
import numpy.typing as npt

from bddseg_ros2.grid import GridSpec
from bddseg_ros2.read import ImageMessage


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

"""The ROS 2 node: subscribes to images; publishes labels, overlays, grids and the class list."""

import json
import sys
from copy import copy
from typing import Any

from bddseg.errors import INTERRUPTED, BddsegError
from bddseg.inference.threads import limit_spinning, set_num_threads
from bddseg.tasks.task import Task

# Name -> default; ROS has no type without one.
PARAMETERS: dict[str, Any] = {
    "model": "demo",
    "weights": "",
    "task": "",
    "runtime": "",
    "device": "auto",
    "threads": 0,
    "reliable": False,
    "homography": [0.0],
    "grid_size": [40.0, 20.0],
    "grid_resolution": 0.1,
    "grid_origin": [0.0, -10.0],
    "grid_frame": "base_link",
}
_LOG_INTERVAL_S = 5.0


class SegmentationNode:
    """Segments the newest image each time; those that come meanwhile are dropped by the queue of 1.

    Args:
        ros: The node of rclpy, new.

    Raises:
        BddsegError: the model cannot be loaded, or a parameter is wrong.
    """

    def __init__(self, ros: Any) -> None:
        from nav_msgs.msg import OccupancyGrid
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image
        from std_msgs.msg import String

        from bddseg.inference.predictor import load_model

        self._ros = ros
        self._types = (Image, OccupancyGrid)
        values = {
            name: ros.declare_parameter(name, default).value for name, default in PARAMETERS.items()
        }
        if values["threads"]:
            set_num_threads(values["threads"])
        self._model = load_model(
            values["model"],
            weights=values["weights"] or None,
            task=values["task"] or None,
            runtime=values["runtime"] or None,
            device=values["device"],
        )
        self._grid_frame = values["grid_frame"]
        self._projection = _make_projection(values, self._model.task)
        self._labels = ros.create_publisher(Image, "~/labels", 1)
        self._overlay = ros.create_publisher(Image, "~/overlay", 1)
        self._grid = ros.create_publisher(OccupancyGrid, "~/grid", 1)
        # Whoever subscribes later gets it too.
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._classes = ros.create_publisher(String, "~/classes", latched)
        self._classes.publish(String(data=describe_classes(self._model.task)))
        policy = ReliabilityPolicy.RELIABLE if values["reliable"] else ReliabilityPolicy.BEST_EFFORT
        newest = QoSProfile(depth=1, reliability=policy)
        ros.create_subscription(Image, "image", self._receive, newest)
        ros.get_logger().info(f"{self._model} is ready.")

    def _receive(self, message: Any) -> None:
        try:
            self._segment(message)
        except BddsegError as error:
            self._ros.get_logger().error(str(error), throttle_duration_sec=_LOG_INTERVAL_S)

    def _segment(self, message: Any) -> None:
        from bddseg_ros2.fill import fill_grid, fill_image
        from bddseg_ros2.read import read_image_message

        image_type, grid_type = self._types
        prediction = self._model(read_image_message(message))
        labels = image_type()
        fill_image(labels, prediction.labels, message.header)
        self._labels.publish(labels)
        if self._overlay.get_subscription_count():
            overlay = image_type()
            fill_image(overlay, prediction.overlay(), message.header)
            self._overlay.publish(overlay)
        if self._projection:
            grid, header = grid_type(), copy(message.header)
            header.frame_id = self._grid_frame
            cells = self._projection.project(prediction.labels)
            fill_grid(grid, cells, self._projection.spec, header)
            self._grid.publish(grid)


def describe_classes(task: Task) -> str:
    """Return a task as JSON: its name, and id, name and RGB color of each class."""
    pairs = enumerate(zip(task.classes, task.colors, strict=True))
    classes = [{"id": n, "name": name, "color": list(color)} for n, (name, color) in pairs]
    return json.dumps({"task": task.name, "background": task.background, "classes": classes})


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is shut down; return the exit code."""
    limit_spinning()
    try:
        import rclpy
        from rclpy.executors import ExternalShutdownException
    except ImportError as error:
        return _fail(
            BddsegError(
                f"ROS 2 cannot be imported ({error}).",
                "Source its setup file first, such as /opt/ros/jazzy/setup.bash, and use Python's "
                "version of that ROS.",
            )
        )
    rclpy.init(args=arguments)
    try:
        ros = rclpy.create_node("bddseg")
        # It is kept alive by its subscription.
        SegmentationNode(ros)
        rclpy.spin(ros)
    except BddsegError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ExternalShutdownException:
        return 0
    finally:
        rclpy.try_shutdown()
    return 0


def _make_projection(values: dict[str, Any], task: Task) -> Any:
    """Return the projection onto the ground; None without a homography."""
    from bddseg_ros2.grid import GridSpec, GroundProjection

    if list(values["homography"]) == PARAMETERS["homography"]:
        return None
    for name in ("grid_size", "grid_origin"):
        if len(values[name]) != 2:
            raise BddsegError(
                f"{name} is {list(values[name])}.", "Give two numbers: along x and along y."
            )
    spec = GridSpec(
        size_m=tuple(values["grid_size"]),
        resolution_m=values["grid_resolution"],
        origin_m=tuple(values["grid_origin"]),
    )
    return GroundProjection(values["homography"], spec, task)


def _fail(error: BddsegError) -> int:
    sys.stderr.write(f"{error}\n")
    return 1

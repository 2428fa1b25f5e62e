"""Segments the images of a topic; publishes labels, overlays, grids and the class list."""

import time
from copy import copy
from typing import Any

from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.threads import set_num_threads
from bddseg.tasks.task import Task
from bddseg_ros2.describe import describe_classes, describe_silence
from bddseg_ros2.fill import fill_grid, fill_image
from bddseg_ros2.grid import GridSpec, GroundProjection
from bddseg_ros2.monitor import Monitor
from bddseg_ros2.parameters import PARAMETERS
from bddseg_ros2.read import read_compressed_message, read_image_message
from bddseg_ros2.worker import NewestItemWorker

_LOG_INTERVAL_S = 5.0


class SegmentationNode:
    """Segments the newest image each time; those that come meanwhile are dropped.

    Args:
        ros: The node of rclpy, new.
        values: Value of each parameter.

    Attributes:
        failure: A future with the exception that ended the node, if one did.

    Raises:
        BddsegError: the model cannot be loaded, or a parameter is wrong.
    """

    def __init__(self, ros: Any, values: dict[str, Any]) -> None:
        from nav_msgs.msg import OccupancyGrid
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
        from rclpy.task import Future
        from sensor_msgs.msg import CompressedImage, Image
        from std_msgs.msg import String

        self._ros = ros
        self._types = (Image, OccupancyGrid)
        self._model = _load_model(values)
        self._read = read_compressed_message if values["compressed"] else read_image_message
        self._grid_frame = values["grid_frame"]
        self._projection = _make_projection(values, self._model.task)
        self._labels = ros.create_publisher(Image, "~/labels", 1)
        self._overlay = ros.create_publisher(Image, "~/overlay", 1)
        self._grid = ros.create_publisher(OccupancyGrid, "~/grid", 1)
        # Whoever subscribes later gets it too.
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._classes = ros.create_publisher(String, "~/classes", latched)
        self._classes.publish(String(data=describe_classes(self._model.task)))
        self.failure = Future()
        self._worker = NewestItemWorker(self._handle, self._fail)
        self._monitor = Monitor(time.monotonic())
        policy = ReliabilityPolicy.RELIABLE if values["reliable"] else ReliabilityPolicy.BEST_EFFORT
        newest = QoSProfile(depth=1, reliability=policy)
        kind = CompressedImage if values["compressed"] else Image
        self._images = ros.create_subscription(kind, "image", self._receive, newest)
        self._start_monitor()
        ros.get_logger().info(f"{self._model} is ready; images are read of {self._topic}.")

    def close(self) -> None:
        """Wait until the image that is being segmented is done."""
        self._worker.close()

    def _fail(self, error: BaseException) -> None:
        # After a shutdown nothing can be published.
        if self._ros.context.ok():
            self.failure.set_exception(error)

    @property
    def _topic(self) -> str:
        return str(self._images.topic_name)

    def _start_monitor(self) -> None:
        from rclpy.clock import Clock, ClockType

        # A clock that goes on where simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._ros.create_timer(1.0, self._check, clock=steady)

    def _check(self) -> None:
        logger = self._ros.get_logger()
        if self._monitor.check_silence(time.monotonic()):
            publishers = self._ros.get_publishers_info_by_topic(self._topic)
            types = [each.topic_type for each in publishers]
            logger.warning(describe_silence(self._topic, types, self._images.msg_type.__name__))
        if summary := self._monitor.summarize(time.monotonic()):
            logger.info(summary)

    def _receive(self, message: Any) -> None:
        now_s = time.monotonic()
        drops_another = self._worker.put((message, now_s))
        self._monitor.add_received(now_s, drops_another=drops_another)

    def _handle(self, item: tuple[Any, float]) -> None:
        message, start_s = item
        try:
            self._segment(message)
        except BddsegError as error:
            self._monitor.add_failed()
            self._ros.get_logger().error(str(error), throttle_duration_sec=_LOG_INTERVAL_S)
        else:
            self._monitor.add_processed(time.monotonic() - start_s)

    def _segment(self, message: Any) -> None:
        image_type, grid_type = self._types
        prediction = self._model(self._read(message))
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


def _load_model(values: dict[str, Any]) -> Predictor:
    if values["threads"]:
        set_num_threads(values["threads"])
    return load_model(
        values["model"],
        weights=values["weights"] or None,
        task=values["task"] or None,
        runtime=values["runtime"] or None,
        device=values["device"],
        precision=values["precision"],
    )


def _make_projection(values: dict[str, Any], task: Task) -> GroundProjection | None:
    """Return the projection onto the ground; None without a homography."""
    if values["homography"] == PARAMETERS["homography"].default:
        return None
    for name in ("grid_size", "grid_origin"):
        if len(values[name]) != 2:
            raise BddsegError(
                f"{name} is {values[name]}.", "Give two numbers: along x and along y."
            )
    spec = GridSpec(
        size_m=tuple(values["grid_size"]),
        resolution_m=values["grid_resolution"],
        origin_m=tuple(values["grid_origin"]),
    )
    return GroundProjection(values["homography"], spec, task)

"""The node with a real rclpy, where ROS 2 is installed, and without it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from bddseg_ros2.fill import fill_image
from bddseg_ros2.node import describe_classes
from bddseg_ros2.read import read_image_message

import bddseg
from bddseg.demo import IMAGES
from bddseg.tasks.task import get_task

pytestmark = [
    pytest.mark.timeout(120),
    # Of modules that ROS imports.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
HAS_ROS = find_spec("rclpy") is not None
needs_ros = pytest.mark.skipif(not HAS_ROS, reason="needs rclpy of ROS 2")
# What looks straight ahead from 1.5 m above the ground, for images of 1280x720.
HOMOGRAPHY = [0.0, 0.0, 1500.0, -1.5, 0.0, 959.25, 0.0, 1.0, -359.5]


def test_classes_are_described_with_ids_and_colors() -> None:
    found = json.loads(describe_classes(get_task("drivable")))
    assert (found["task"], found["background"]) == ("drivable", "background")
    assert [each["id"] for each in found["classes"]] == [0, 1, 2]
    assert found["classes"][0] == {"id": 0, "name": "direct", "color": [219, 94, 86]}


@pytest.mark.skipif(HAS_ROS, reason="ROS 2 is installed")
def test_without_ros_the_node_says_so() -> None:
    command = [sys.executable, "-m", "bddseg_ros2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "ROS 2 cannot be imported" in done.stderr
    assert "setup.bash" in done.stderr


@pytest.fixture
def ros() -> Iterator[Any]:
    """A node of this test, in a domain of its own."""
    import rclpy

    os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 100 + 1)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init()
    yield rclpy.create_node("observer")
    rclpy.try_shutdown()


def start_node(**parameters: object) -> "subprocess.Popen[str]":
    """Start the node in a process of its own."""
    options = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "bddseg_ros2", "--ros-args", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def spin_until(ros: Any, is_done: Any, each: Any = None) -> None:
    import rclpy

    end = time.monotonic() + 60
    while not is_done() and time.monotonic() < end:
        if each:
            each()
        rclpy.spin_once(ros, timeout_sec=0.2)
    assert is_done()


@needs_ros
def test_an_image_becomes_labels_an_overlay_and_a_grid(ros: Any) -> None:
    from nav_msgs.msg import OccupancyGrid
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    path = IMAGES / "scene-002.jpg"
    expected = bddseg.load_model("demo")(path)
    assert expected.image is not None
    message = Image()
    fill_image(message, expected.image, message.header)
    message.header.frame_id = "camera"
    message.header.stamp.sec = 12
    wrong = Image(encoding="mono16", height=1, width=1, step=2, data=bytes(2))
    found: dict[str, Any] = {}
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    topics = {"labels": Image, "overlay": Image, "grid": OccupancyGrid, "classes": String}
    for name, kind in topics.items():
        quality = latched if name == "classes" else 10
        keep = found.__setitem__
        ros.create_subscription(
            kind, f"/bddseg/{name}", lambda got, name=name, keep=keep: keep(name, got), quality
        )
    publisher = ros.create_publisher(Image, "/image", 1)

    def publish() -> None:
        publisher.publish(wrong)
        publisher.publish(message)

    process = start_node(model="demo", threads=1, homography=HOMOGRAPHY, grid_frame="car")
    try:
        spin_until(ros, lambda: found.keys() == topics.keys(), publish)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
    labels = read_image_message(found["labels"])[..., 0]
    assert found["labels"].encoding == "mono8"
    assert (found["labels"].header.frame_id, found["labels"].header.stamp.sec) == ("camera", 12)
    # One thread may round sums differently.
    assert (labels == expected.labels).mean() > 0.999
    overlay = read_image_message(found["overlay"])
    assert np.abs(overlay.astype(int) - expected.overlay()).mean() < 1
    grid = found["grid"]
    assert (grid.header.frame_id, grid.info.width, grid.info.height) == ("car", 400, 200)
    cells = np.asarray(grid.data).reshape(200, 400)
    assert set(np.unique(cells)) == {-1, 0, 100}
    # The own lane, 10 m ahead.
    assert cells[100, 100] == 0
    assert json.loads(found["classes"].data)["task"] == "drivable"
    assert "encoding 'mono16' are not supported" in errors


@needs_ros
def test_a_wrong_parameter_is_an_error() -> None:
    process = start_node(model="demo", homography=[1.0, 2.0])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "is not a matrix of 3x3 numbers" in errors
    assert "Traceback" not in errors

"""The node with a real rclpy, where ROS 2 is installed, and without it."""

import json
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from threading import Thread
from typing import Any

import numpy as np
import pytest
from bddseg_ros2.describe import describe_classes
from bddseg_ros2.fill import fill_image
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


def start_node(topic: str = "/image", **parameters: Any) -> "subprocess.Popen[str]":
    """Start the node in a process of its own."""
    options = ["-r", f"image:={topic}"]
    options += [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "bddseg_ros2", "--ros-args", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def stop_node(process: "subprocess.Popen[str]") -> str:
    """Stop the node; return what it logged."""
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return errors


def read_lines(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert process.stderr
    with process.stderr:
        for line in process.stderr:
            lines.put(line)


def spin_until(ros: Any, is_done: Any, each: Any = None) -> None:
    import rclpy

    end = time.monotonic() + 60
    while not is_done() and time.monotonic() < end:
        if each:
            each()
        rclpy.spin_once(ros, timeout_sec=0.2)
    assert is_done()


def rest(ros: Any) -> None:
    """Let a message arrive."""
    import rclpy

    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        rclpy.spin_once(ros, timeout_sec=0.1)


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
        rest(ros)
        publisher.publish(message)

    process = start_node(model="demo", threads=1, homography=HOMOGRAPHY, grid_frame="car")
    try:
        spin_until(ros, lambda: found.keys() == topics.keys(), publish)
    finally:
        errors = stop_node(process)
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
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"model": "demo", "homography": [1.0, 2.0]}, "is not a matrix of 3x3 numbers"),
        ({"modle": "demo"}, "no parameter named 'modle'. Did you mean model"),
        ({"use_sim_time": True}, "Add -p model:=swiftnet_lite"),
        ({"model": "demo", "threads": "two"}, "'threads' cannot be 'two': it is an integer"),
        ({"model": "demo", "grid_size": "[30, 1.5]"}, "all numbers or none have a point"),
    ],
)
def test_wrong_parameters_are_errors(parameters: dict[str, Any], said: str) -> None:
    process = start_node(**parameters)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said in errors
    assert "Traceback" not in errors


@needs_ros
def test_parameters_without_ros_args_are_errors() -> None:
    command = [sys.executable, "-m", "bddseg_ros2", "--model", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Parameters come after --ros-args" in done.stderr


@needs_ros
def test_compressed_images_are_segmented_and_damaged_ones_reported(ros: Any) -> None:
    from sensor_msgs.msg import CompressedImage, Image

    path = IMAGES / "scene-002.jpg"
    expected = bddseg.load_model("demo")(path).labels
    data = path.read_bytes()
    found: list[Any] = []
    ros.create_subscription(Image, "/bddseg/labels", found.append, 1)
    publisher = ros.create_publisher(CompressedImage, "/camera/image_raw/compressed", 1)

    def publish() -> None:
        publisher.publish(CompressedImage(format="jpeg", data=data[: len(data) // 2]))
        rest(ros)
        publisher.publish(CompressedImage(format="jpeg", data=data))

    process = start_node("/camera/image_raw/compressed", model="demo", threads=1, compressed=True)
    try:
        spin_until(ros, lambda: found, publish)
    finally:
        errors = stop_node(process)
    assert (read_image_message(found[0])[..., 0] == expected).mean() > 0.999
    assert "compressed image of format 'jpeg'" in errors
    assert "the data is damaged" in errors


@needs_ros
def test_silence_and_counts_are_logged(ros: Any) -> None:
    from sensor_msgs.msg import CompressedImage, Image

    other = ros.create_publisher(CompressedImage, "/camera", 1)
    process = start_node("/camera", model="demo", threads=1)
    lines: queue.Queue[str] = queue.Queue()
    reader = Thread(target=read_lines, args=(process, lines))
    reader.start()
    message = Image()
    fill_image(message, np.zeros((72, 128, 3), np.uint8), message.header)

    def wait_for(text: str) -> str:
        found: list[str] = []

        def look() -> bool:
            while not lines.empty():
                found.append(lines.get())
            return any(text in line for line in found)

        spin_until(ros, look)
        return "".join(found)

    try:
        log = wait_for("No image on /camera for 5 s: 1 publisher, of sensor_msgs/msg/Compressed")
        assert "images are read of /camera" in log
        ros.destroy_publisher(other)
        publisher = ros.create_publisher(Image, "/camera", 1)
        for _ in range(3):
            rest(ros)
            publisher.publish(message)
        log = wait_for(" processed, ")
        assert re.search(r"In 1\d s: [1-3] images? received, .*; latency p50 \d+ ms", log)
        if "No image" not in log:
            wait_for("No image on /camera for 5 s")
    finally:
        process.terminate()
        assert process.wait(30) == 0
        reader.join()


@needs_ros
def test_an_unexpected_error_ends_the_node(ros: Any) -> None:
    from sensor_msgs.msg import Image

    code = (
        "import sys, bddseg_ros2.segmentation as it; it.fill_image = None; "
        "from bddseg_ros2.node import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "--ros-args", "-p", "model:=demo"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    publisher = ros.create_publisher(Image, "/image", 1)
    message = Image()
    fill_image(message, np.zeros((72, 128, 3), np.uint8), message.header)
    try:
        spin_until(ros, lambda: process.poll() is not None, lambda: publisher.publish(message))
    finally:
        process.kill()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "'NoneType' object is not callable" in errors

"""When the node warns that no images come, and what it says about those that do."""

import pytest
from bddseg_ros2.describe import describe_silence
from bddseg_ros2.monitor import Monitor


def find_warnings(monitor: Monitor, seconds: range) -> list[int]:
    """Return the seconds in which it warns."""
    return [second for second in seconds if monitor.check_silence(second)]


def test_it_warns_once_when_no_image_comes_after_the_start() -> None:
    assert find_warnings(Monitor(100), range(100, 200)) == [105]


def test_it_warns_again_each_time_that_images_stop() -> None:
    monitor = Monitor(0)
    monitor.add_received(3)
    assert find_warnings(monitor, range(3, 20)) == [8]
    monitor.add_received(20)
    assert find_warnings(monitor, range(20, 40)) == [25]


def test_images_every_few_seconds_are_no_silence() -> None:
    monitor = Monitor(0)
    for second in range(0, 60, 4):
        monitor.add_received(second)
        assert find_warnings(monitor, range(second, second + 4)) == []


def test_the_summary_counts_what_came_in_ten_seconds() -> None:
    monitor = Monitor(0)
    for number in range(5):
        monitor.add_received(number, drops_another=number > 2)
    for latency_s in (0.1, 0.2, 0.9):
        monitor.add_processed(latency_s)
    assert monitor.summarize(9) is None
    assert monitor.summarize(10) == (
        "In 10 s: 5 images received, 3 processed, 2 dropped; latency p50 200 ms."
    )
    assert monitor.summarize(11) is None
    monitor.add_received(12)
    monitor.add_failed()
    assert monitor.summarize(21) == "In 11 s: 1 image received, 0 processed, 0 dropped, 1 failed."


def test_without_images_there_is_no_summary() -> None:
    monitor = Monitor(0)
    assert [monitor.summarize(second) for second in (10, 20, 30)] == [None] * 3


@pytest.mark.parametrize(
    ("types", "expected", "said"),
    [
        ([], "Image", "0 publishers. Check -r image:=TOPIC, and ROS_DOMAIN_ID."),
        (["sensor_msgs/msg/Image"], "Image", "1 publisher. Check that images are sent"),
        (
            ["sensor_msgs/msg/CompressedImage"] * 2,
            "Image",
            "2 publishers, of sensor_msgs/msg/CompressedImage. They are read with "
            "-p compressed:=true.",
        ),
        (["std_msgs/msg/String"], "Image", "1 publisher, of std_msgs/msg/String."),
        (
            ["sensor_msgs/msg/Image"],
            "CompressedImage",
            "Image. They are read with -p compressed:=false.",
        ),
    ],
)
def test_the_warning_says_what_is_published(types: list[str], expected: str, said: str) -> None:
    found = describe_silence("/camera/image_raw", types, expected)
    assert found.startswith("No image on /camera/image_raw for 5 s: ")
    assert said in found

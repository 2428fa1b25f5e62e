"""Parameters as ROS gives them, and the help that lists them; without ROS."""

import subprocess
import sys
from array import array
from typing import Any

import pytest
from bddseg_ros2.help import TOPICS
from bddseg_ros2.parameters import PARAMETERS, read_parameters
from bddseg_ros2.segmentation import _load_model

from bddseg.demo import IMAGES
from bddseg.errors import BddsegError


def test_parameters_that_are_not_given_have_their_defaults() -> None:
    found = read_parameters({"model": "demo"})
    assert found == {name: each.default for name, each in PARAMETERS.items()} | {"model": "demo"}


@pytest.mark.parametrize(("name", "nearest"), [("modle", "model"), ("homografy", "homography")])
def test_a_misspelt_parameter_is_an_error_with_the_right_one(name: str, nearest: str) -> None:
    with pytest.raises(BddsegError, match=f"named '{name}'. Did you mean {nearest}"):
        read_parameters({"model": "demo", name: "x"})


@pytest.mark.parametrize(
    "name",
    [
        "use_sim_time",
        "start_type_description_service",
        "qos_overrides./image.subscription.reliability",
    ],
)
def test_parameters_of_ros_itself_are_left_alone(name: str) -> None:
    assert name not in read_parameters({"model": "demo", name: True})


@pytest.mark.parametrize("given", [{}, {"model": ""}, {"threads": 2}])
def test_a_model_is_required(given: dict[str, Any]) -> None:
    with pytest.raises(BddsegError, match="'model' is missing") as caught:
        read_parameters(given)
    assert "-p model:=swiftnet_lite" in caught.value.hint
    assert "bddseg-lite" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("grid_resolution", 1, 1.0),
        ("grid_size", array("q", [30, 16]), [30.0, 16.0]),
        ("grid_size", [30.5, 16.0], [30.5, 16.0]),
    ],
)
def test_integers_are_numbers_too(name: str, value: Any, expected: Any) -> None:
    found = read_parameters({"model": "demo", name: value})[name]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("threads", "two", "'threads' cannot be 'two': it is an integer"),
        ("threads", 2.0, "it is an integer"),
        ("threads", True, "it is an integer"),
        ("reliable", 1, "it is true or false"),
        ("device", 0, "it is text"),
        ("weights", None, "it is text"),
        ("grid_resolution", "fine", "it is a number"),
        ("homography", "1 2 3", "it is a list of numbers"),
        ("homography", ["1", "2"], "it is a list of numbers"),
        ("homography", 1.0, "it is a list of numbers"),
    ],
)
def test_values_of_another_type_are_errors(name: str, value: Any, said: str) -> None:
    with pytest.raises(BddsegError, match=said):
        read_parameters({"model": "demo", name: value})


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_lists_parameters_and_topics_without_ros(option: str) -> None:
    # ROS cannot be imported, even where it is installed.
    code = (
        "import sys; sys.modules['rclpy'] = None; "
        "from bddseg_ros2.node import main; code = main(); "
        # It takes seconds, and how its threads wait is set before.
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    command = [sys.executable, "-c", code, option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    for name in PARAMETERS:
        assert f"\n  {name} " in done.stdout
    for topic in TOPICS:
        assert f"\n  {topic.name} " in done.stdout
    assert "python -m bddseg_ros2 --ros-args" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 79


def test_help_is_shown_for_the_module() -> None:
    command = [sys.executable, "-m", "bddseg_ros2", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("A ROS 2 node")


def test_the_model_is_loaded_as_the_parameters_say() -> None:
    values = read_parameters({"model": "demo", "device": "cpu", "precision": "bf16"})
    labels = _load_model(values)(IMAGES / "scene-002.jpg").labels
    exact = _load_model(values | {"precision": "fp32"})(IMAGES / "scene-002.jpg").labels
    assert 0.9 < (labels == exact).mean() < 1
    with pytest.raises(BddsegError, match="no precision 'int4'"):
        _load_model(values | {"precision": "int4"})

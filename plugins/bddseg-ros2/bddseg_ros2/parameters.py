"""Parameters of the node: names, defaults and what they are; checked without ROS."""

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from bddseg.errors import BddsegError, unknown_name

# ROS declares them on every node.
_ROS_NAMES = frozenset({"use_sim_time", "start_type_description_service", "enable_logger_service"})
_ROS_PREFIXES = ("qos_overrides.",)
_MODEL_HINT = (
    "Add -p model:=swiftnet_lite, which comes with its weights in the package bddseg-lite (pip "
    "install ./plugins/bddseg-lite); `bddseg zoo list` shows others."
)


class Parameter(NamedTuple):
    """A parameter of the node.

    Attributes:
        default: Its value if it is not given; its type is the parameter's.
        text: What it is.
    """

    default: Any
    text: str

    @property
    def kind(self) -> str:
        """Its type, for messages."""
        names = {str: "text", int: "an integer", bool: "true or false", float: "a number"}
        return names.get(type(self.default), "a list of numbers")


PARAMETERS = {
    "model": Parameter("", "required: a model of `bddseg zoo list`, or an entry's TOML file"),
    "weights": Parameter("", "a checkpoint; by default the model's, downloaded if necessary"),
    "task": Parameter("", "of a model with several: which; by default the main one"),
    "runtime": Parameter(
        "", "`torch`, `openvino`, `onnx`, `tensorrt` or `auto`; by default the model's"
    ),
    "device": Parameter("auto", "`cpu`, `cuda`, `cuda:N` or `mps`"),
    "precision": Parameter("fp32", "`fp32`, `fp16` or `bf16`; `bddseg doctor` recommends one"),
    "threads": Parameter(0, "threads for the network; 0 is one for each core"),
    "compressed": Parameter(False, "`image` is of `sensor_msgs/CompressedImage`"),
    "reliable": Parameter(False, "subscribe with reliable instead of best-effort quality"),
    "homography": Parameter([0.0], "9 numbers, row by row; without, there is no grid"),
    "grid_size": Parameter([40.0, 20.0], "metres along x (forward) and along y (left)"),
    "grid_resolution": Parameter(0.1, "metres of a cell's side"),
    "grid_origin": Parameter([0.0, -10.0], "x and y of the corner of the first cell, in metres"),
    "grid_frame": Parameter("base_link", "frame id of the ground plane"),
}


def read_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each parameter: what was given, else its default.

    Args:
        given: Name -> value, of parameters that ROS was started with.

    Raises:
        BddsegError: a name is unknown, a value has another type, or there is no model.
    """
    for name in given:
        if name not in PARAMETERS and name not in _ROS_NAMES and not name.startswith(_ROS_PREFIXES):
            raise unknown_name(
                "parameter", name, PARAMETERS, "python -m bddseg_ros2 --help lists them."
            )
    values = {
        name: _convert(name, given[name], default) if name in given else default
        for name, (default, _) in PARAMETERS.items()
    }
    if not values["model"]:
        raise BddsegError("The parameter 'model' is missing.", _MODEL_HINT)
    return values


def _convert(name: str, value: Any, default: Any) -> Any:
    """Return a value as the type of its default; integers are numbers, too."""
    match default:
        case list() if isinstance(value, list | array) and all(map(_is_number, value)):
            return [float(each) for each in value]
        case float() if _is_number(value):
            return float(value)
        case str() | bool() | int() if type(value) is type(default):
            return value
    raise BddsegError(
        f"The parameter '{name}' cannot be {value!r}: it is {PARAMETERS[name].kind}.",
        f"Its default is {default!r}.",
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float)

"""What `python -m bddseg_ros2 --help` shows, without ROS."""

import json
import textwrap
from typing import Any, NamedTuple

from bddseg_ros2.encodings import COMPRESSED, ENCODINGS
from bddseg_ros2.parameters import PARAMETERS

_USAGE = """\
A ROS 2 node that segments images. Python starts it, not `ros2 run`:

    python -m bddseg_ros2 --ros-args -r image:=/camera/image_raw \\
        -p model:=swiftnet_lite
"""


class Topic(NamedTuple):
    """A topic of the node.

    Attributes:
        name: Its name, as it is by default.
        type: Type of its messages.
        quality: Its quality of service; the history is always the last message.
        text: What is in the messages.
    """

    name: str
    type: str
    quality: str
    text: str


TOPICS = (
    Topic(
        "image",
        "`sensor_msgs/Image`, or `CompressedImage` with `compressed:=true`",
        "best effort, or reliable with `reliable:=true`; volatile",
        f"input: {', '.join(ENCODINGS)}; compressed: {', '.join(COMPRESSED)}",
    ),
    Topic(
        "/bddseg/labels",
        "`sensor_msgs/Image`, mono8",
        "reliable, volatile",
        "class ids, at the size of the image, with its header",
    ),
    Topic(
        "/bddseg/overlay",
        "`sensor_msgs/Image`, rgb8",
        "reliable, volatile",
        "colors on the image, while someone subscribes",
    ),
    Topic(
        "/bddseg/grid",
        "`nav_msgs/OccupancyGrid`",
        "reliable, volatile",
        "the ground, with `homography`",
    ),
    Topic(
        "/bddseg/classes",
        "`std_msgs/String`",
        "reliable, transient local",
        "the task as JSON: id, name and color of each class",
    ),
)


def format_help() -> str:
    """Return usage, parameters with defaults, and topics."""
    parameters = [
        _format_row(name, parameter.text + _format_default(parameter.default))
        for name, parameter in PARAMETERS.items()
    ]
    topics = [
        _format_row(name, f"{kind}; {quality}: {text}") for name, kind, quality, text in TOPICS
    ]
    return "\n".join([_USAGE, "Parameters:", *parameters, "", "Topics:", *topics, ""])


def _format_row(name: str, text: str) -> str:
    first, indent = f"  {name:16} ", " " * 19
    text = text.replace("`", "")
    return textwrap.fill(text, 79, initial_indent=first, subsequent_indent=indent)


def _format_default(value: Any) -> str:
    return "" if value == "" else f" ({json.dumps(value)})"

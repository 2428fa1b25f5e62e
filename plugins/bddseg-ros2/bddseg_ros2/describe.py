"""What the node says: the class list, and warnings."""

import json

from bddseg.tasks.task import Task
from bddseg_ros2.monitor import SILENCE_S


def describe_classes(task: Task) -> str:
    """Return a task as JSON: its name, and id, name and RGB color of each class."""
    pairs = enumerate(zip(task.classes, task.colors, strict=True))
    classes = [{"id": n, "name": name, "color": list(color)} for n, (name, color) in pairs]
    return json.dumps({"task": task.name, "background": task.background, "classes": classes})


def describe_silence(topic: str, types: list[str], expected: str) -> str:
    """Return the warning that no image came.

    Args:
        topic: The topic.
        types: Type of the messages of each publisher, such as "sensor_msgs/msg/Image".
        expected: Name of the type that the node reads, without its package.
    """
    publishers = "1 publisher" if len(types) == 1 else f"{len(types)} publishers"
    text = f"No image on {topic} for {SILENCE_S:.0f} s: {publishers}"
    if not types:
        return f"{text}. Check -r image:=TOPIC, and ROS_DOMAIN_ID."
    others = sorted({kind for kind in types if kind.rpartition("/")[2] != expected})
    if not others:
        hint = (
            "Check that images are sent, and with reliable:=true that their publisher is reliable."
        )
        return f"{text}. {hint}"
    hint = ""
    if {"Image", "CompressedImage"} & {kind.rpartition("/")[2] for kind in others}:
        switch = "true" if expected == "Image" else "false"
        hint = f" They are read with -p compressed:={switch}."
    return f"{text}, of {', '.join(others)}.{hint}"

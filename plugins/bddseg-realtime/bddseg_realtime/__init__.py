"""Small real-time networks for bddseg, with weights that can be downloaded."""

from pathlib import Path

from bddseg.tasks.task import Task

CATALOG = Path(__file__).with_name("catalog.toml")
LANE_BINARY = Task(
    name="lane_binary",
    classes=("lane", "background"),
    colors=((255, 214, 0), (0, 0, 0)),
    background="background",
    frame_size_hw=(720, 1280),
)

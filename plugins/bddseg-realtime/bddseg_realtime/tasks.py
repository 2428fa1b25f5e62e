"""What these networks predict beside drivable areas."""

from bddseg.tasks.task import Task

LANE_BINARY = Task(
    name="lane_binary",
    classes=("lane", "background"),
    colors=((255, 214, 0), (0, 0, 0)),
    background="background",
    frame_size_hw=(720, 1280),
)

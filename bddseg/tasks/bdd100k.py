"""The tasks of BDD100K. Names, order and colors: bdd100k 1.0.1, bdd100k/label/label.py."""

from bddseg.tasks.task import ClassMap, Task
from bddseg.types import Color

_FRAME_SIZE_HW = (720, 1280)
_DIRECT: Color = (219, 94, 86)
_ALTERNATIVE: Color = (86, 211, 219)
_BLACK: Color = (0, 0, 0)

_SEM_SEG_COLORS: dict[str, Color] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}

DRIVABLE = Task(
    name="drivable",
    classes=("direct", "alternative", "background"),
    colors=(_DIRECT, _ALTERNATIVE, _BLACK),
    background="background",
    frame_size_hw=_FRAME_SIZE_HW,
)
DRIVABLE_BINARY = Task(
    name="drivable_binary",
    classes=("drivable", "background"),
    colors=(_DIRECT, _BLACK),
    background="background",
    frame_size_hw=_FRAME_SIZE_HW,
    finer=(
        ClassMap(
            task=DRIVABLE,
            classes={
                "direct": "drivable",
                "alternative": "drivable",
                "background": "background",
            },
        ),
    ),
)
SEM_SEG = Task(
    name="sem_seg",
    classes=tuple(_SEM_SEG_COLORS),
    colors=tuple(_SEM_SEG_COLORS.values()),
    frame_size_hw=_FRAME_SIZE_HW,
)

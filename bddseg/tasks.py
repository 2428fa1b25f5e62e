"""The tasks: which classes there are, and how they are drawn."""

from dataclasses import dataclass

from bddseg.errors import unknown_name

Color = tuple[int, int, int]

# Of the dataset's frames, in pixels.
FRAME_SIZE_HW = (720, 1280)
# "Unknown" in truth masks, in every task; black in colormaps.
UNKNOWN_ID = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A set of classes; a class's id is its place in `classes`.

    Attributes:
        name: what `--task` takes.
        classes: names, by id.
        colors: RGB, 0 to 255, by id.
        background: the class that the official score drops and that overlays leave untouched, or
            None if the task has none. It is always the last class.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    background: str | None = None

    @property
    def scored_classes(self) -> tuple[str, ...]:
        """The classes that count in the official score: all but the background."""
        return self.classes if self.background is None else self.classes[:-1]

    @property
    def palette(self) -> tuple[int, ...]:
        """768 numbers, R, G, B for each of the ids 0 to 255; black where there is no class."""
        flat = [value for color in self.colors for value in color]
        return tuple(flat + [0] * (768 - len(flat)))


_DIRECT: Color = (219, 94, 86)
_ALTERNATIVE: Color = (86, 211, 219)
_BLACK: Color = (0, 0, 0)

# Names, order and colours: bdd100k 1.0.1, bdd100k/label/label.py.
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

TASKS = {
    task.name: task
    for task in (
        Task(
            name="drivable",
            classes=("direct", "alternative", "background"),
            colors=(_DIRECT, _ALTERNATIVE, _BLACK),
            background="background",
        ),
        Task(
            name="drivable_binary",
            classes=("drivable", "background"),
            colors=(_DIRECT, _BLACK),
            background="background",
        ),
        Task(
            name="sem_seg",
            classes=tuple(_SEM_SEG_COLORS),
            colors=tuple(_SEM_SEG_COLORS.values()),
        ),
    )
}


def get_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        BddsegError: there is none.
    """
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]

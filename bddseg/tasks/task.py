"""What a task is, and finding one by name."""

from dataclasses import dataclass
from typing import Any

from bddseg.registry import Registry
from bddseg.types import Color, SizeHW

# The value of pixels without a class ("ignore"), in every task; black in colormaps.
IGNORE_INDEX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A set of classes; a class id is an index into `classes`.

    Attributes:
        name: Name, as `--task` takes it.
        classes: Class names, by id.
        colors: RGB, 0 to 255, by id.
        background: The class that the official score ignores and that overlays leave as it is, or
            None if the task has none. It is always the last class.
        frame_size_hw: Size of the dataset's frames, where they all have the same.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    background: str | None = None
    frame_size_hw: SizeHW | None = None

    def __post_init__(self) -> None:
        """Refuse classes, colors and a background that do not fit together."""
        if len(self.classes) != len(self.colors) or not 0 < len(self.classes) < IGNORE_INDEX:
            raise ValueError(
                f"task '{self.name}' has {len(self.classes)} classes and {len(self.colors)} colors"
            )
        if self.background is not None and self.background != self.classes[-1]:
            raise ValueError(f"task '{self.name}': the background has to be the last class")

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    @property
    def foreground(self) -> tuple[str, ...]:
        """The classes that count in the official score: all but the background."""
        return self.classes if self.background is None else self.classes[:-1]

    @property
    def fill_id(self) -> int:
        """The id of pixels that no label covers: the background, or `IGNORE_INDEX`."""
        return IGNORE_INDEX if self.background is None else len(self.classes) - 1

    @property
    def palette(self) -> tuple[int, ...]:
        """768 numbers, R, G, B for each of the ids 0 to 255; black where there is no class."""
        flat = [value for color in self.colors for value in color]
        return tuple(flat + [0] * (768 - len(flat)))


def _check(candidate: Any) -> None:
    if not isinstance(candidate, Task):
        raise TypeError(f"expected a bddseg Task, got {type(candidate).__name__}")


TASKS: Registry[Task] = Registry("bddseg.tasks", "task", check=_check)


def get_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        BddsegError: there is none.
    """
    return TASKS.load(name)

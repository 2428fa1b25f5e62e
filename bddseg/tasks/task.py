"""What a task is, and finding one by name."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bddseg.registry import Registry
from bddseg.types import Color, SizeHW

# The value of pixels without a class ("ignore"), in every task; black in colormaps.
IGNORE_INDEX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMap:
    """How label maps of a finer task become those of a coarser one.

    Attributes:
        task: The finer task.
        classes: For each of its classes, the class of the coarser task that it becomes.
    """

    task: "Task"
    classes: Mapping[str, str] = field(hash=False)

    def describe(self) -> str:
        """Return it in words: "direct and alternative to drivable, background to background"."""
        joined: dict[str, list[str]] = defaultdict(list)
        for name, becomes in self.classes.items():
            joined[becomes].append(name)
        return ", ".join(f"{' and '.join(names)} to {each}" for each, names in joined.items())


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
        finer: Tasks with more classes, and how their label maps become this task's.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    background: str | None = None
    frame_size_hw: SizeHW | None = None
    finer: tuple[ClassMap, ...] = ()

    def __post_init__(self) -> None:
        """Refuse classes, colors, a background and finer tasks that do not fit together."""
        if len(self.classes) != len(self.colors) or not 0 < len(self.classes) < IGNORE_INDEX:
            raise ValueError(
                f"task '{self.name}' has {len(self.classes)} classes and {len(self.colors)} colors"
            )
        if self.background is not None and self.background != self.classes[-1]:
            raise ValueError(f"task '{self.name}': the background has to be the last class")
        for each in self.finer:
            if set(each.classes) != set(each.task.classes) or not (
                set(each.classes.values()) <= set(self.classes)
            ):
                raise ValueError(
                    f"task '{self.name}': every class of '{each.task.name}' has to become one of "
                    f"{', '.join(self.classes)}"
                )

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

    def find_map(self, finer: str) -> ClassMap | None:
        """Return how label maps of the finer task of that name become this task's, or None."""
        return next((each for each in self.finer if each.task.name == finer), None)


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

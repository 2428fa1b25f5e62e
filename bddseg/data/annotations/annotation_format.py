"""What a format of annotations is: one file with the regions of many frames."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from bddseg.errors import BddsegError
from bddseg.io.names import escape_names
from bddseg.tasks.task import Task
from bddseg.types import BinaryMask, LabelMap

# A frame with its regions, ready to be written.
F = TypeVar("F")

_NAME = "{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationOptions:
    """How regions are written.

    Attributes:
        tolerance: Regions are polygons, simplified by so many pixels; see `trace_polygons`. None:
            they are run-length encoded masks.
        image_name: Name of a frame's image, with "{name}" for the name of its label map; None: the
            default of the format.
    """

    tolerance: float | None = None
    image_name: str | None = None


DEFAULT_OPTIONS = AnnotationOptions()


class AnnotationFormat(ABC, Generic[F]):
    """A format of one file for many frames, with the names and colors of a task's classes.

    There are no regions of the background, which is what remains, nor of ignored pixels.

    Args:
        task: Task of the label maps.
        options: See `AnnotationOptions`.

    Raises:
        BddsegError: the name of an image has no place for the label map's name.
    """

    image_name: ClassVar[str] = f"{_NAME}.jpg"

    def __init__(self, task: Task, options: AnnotationOptions = DEFAULT_OPTIONS) -> None:
        self.task = task
        self.tolerance = options.tolerance
        self._image_name = options.image_name or self.image_name
        if _NAME not in self._image_name:
            raise BddsegError(
                f"The image name {self._image_name!r} is the same for all frames.",
                f"Use {_NAME}, which stands for the name of a mask: {self.image_name}",
            )

    def make_image_name(self, name: str) -> str:
        """Return the name of the image of a label map."""
        return str(escape_names(self._image_name.replace(_NAME, name)))

    @abstractmethod
    def encode(self, number: int, name: str, labels: LabelMap) -> F:
        """Return a frame with its regions; called by several threads.

        Args:
            number: Number of the frame, from 1.
            name: Name of the label map: a path without a suffix.
            labels: Class ids, (H, W), uint8.
        """

    @abstractmethod
    def write(self, path: Path, frames: Iterable[F]) -> None:
        """Write a file of frames, complete or not at all; only a few are in memory at a time.

        Raises:
            BddsegError: it cannot be written.
        """

    def list_files(self, path: Path) -> list[Path]:
        """Return the files that are written."""
        return [path]


def list_regions(labels: LabelMap, task: Task) -> Iterator[tuple[int, BinaryMask]]:
    """Yield id and mask, (H, W), bool, of each class in a label map but the background."""
    for class_id in np.unique(labels).tolist():
        if class_id < len(task.foreground):
            yield class_id, labels == class_id


def format_color(task: Task, class_id: int) -> str:
    """Return the color of a class as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*task.colors[class_id])

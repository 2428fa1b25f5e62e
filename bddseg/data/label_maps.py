"""Label maps by name, from whatever they are written in: mask files, or Scalabel's JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bddseg.data.masks import Labels, list_masks, read_mask
from bddseg.data.scalabel import has_polygons, is_scalabel, read_scalabel
from bddseg.errors import BddsegError
from bddseg.tasks import Task


class LabelMap(Protocol):
    """The labels of one frame."""

    @property
    def name(self) -> str:
        """What truth and result have in common: the file's name without folder and suffix."""
        ...

    @property
    def origin(self) -> str:
        """Where it stands, for people."""
        ...

    def read(self) -> Labels | None:
        """Return class ids, (H, W), uint8; None if there are no labels, and no size either.

        Raises:
            BddsegError: they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A label map in a file of its own."""

    path: Path

    @property
    def name(self) -> str:
        """The file's stem."""
        return self.path.stem

    @property
    def origin(self) -> str:
        """The file's path."""
        return str(self.path)

    def read(self) -> Labels:
        """Return the labels; see `read_mask`."""
        return read_mask(self.path)


def find_label_maps(source: Path, task: Task) -> Mapping[str, LabelMap]:
    """Return label maps by name.

    Args:
        source: a folder of masks, with its subfolders; or a JSON file of Scalabel's format, or a
            folder of such files.
        task: what they are labels of.

    Raises:
        BddsegError: there are none, they cannot be told apart by name, or are not of the task.
    """
    if not is_scalabel(source):
        return _index([MaskFile(path) for path in list_masks(source)])
    frames = read_scalabel(source, task)
    if has_polygons(frames):
        raise BddsegError(
            f"{source} holds polygons, and masks were expected.",
            f"Make masks of them: bddseg labels convert {source} -o OUT -t {task.name}",
        )
    if not frames:
        raise BddsegError(f"{source} holds no frames.", "Check the path.")
    return _index(frames)


def _index(maps: Sequence[LabelMap]) -> dict[str, LabelMap]:
    index: dict[str, LabelMap] = {}
    for each in maps:
        other = index.setdefault(each.name, each)
        if other is not each:
            raise BddsegError(
                f"{other.origin} and {each.origin} have the same name.",
                "Label maps are paired by name, whatever folder they are in: rename or remove one.",
            )
    return index

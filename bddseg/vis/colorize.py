"""Colormaps: masks with their task's palette."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bddseg.data.masks import Labels, list_masks, read_mask
from bddseg.data.png import encode_png
from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Colormaps:
    """How many colormaps were written, and what failed."""

    drawn: int
    failures: tuple[BddsegError, ...]


def colorize_masks(
    masks: Path, out: Path, task: Task, *, workers: int = 1, track: Track = track_silently
) -> Colormaps:
    """Write a colormap for each mask below a folder, under the same name.

    Raises:
        BddsegError: the folder does not exist or holds no masks.
    """
    paths = list_masks(masks)
    write = partial(_colorize_below, masks=masks, out=out, task=task)
    outcomes = map_in_threads(write, track(paths, "Colorizing"), workers)
    failures = tuple(outcome for outcome in outcomes if outcome is not None)
    return Colormaps(drawn=len(paths) - len(failures), failures=failures)


def colorize_mask(mask: Path, out: Path, task: Task) -> None:
    """Write a mask as a palette PNG: the same pixels, drawn in the task's colours.

    Raises:
        BddsegError: the mask cannot be read or the colormap not written.
    """
    write_atomically(out, encode_colormap(read_mask(mask), task))


def encode_colormap(labels: Labels, task: Task) -> bytes:
    """Return labels (H, W), uint8, as the bytes of a palette PNG in the task's colours."""
    return encode_png(labels, task.palette)


def _colorize_below(mask: Path, *, masks: Path, out: Path, task: Task) -> None:
    colorize_mask(mask, out / mask.relative_to(masks), task)

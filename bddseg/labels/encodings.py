"""The ways in which files on disk say which class a pixel has, and telling them apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bddseg.errors import BddsegError
from bddseg.tasks import UNKNOWN_ID, Task

# In a driving scene, the upper rows of a frame are sky, buildings or trees, never road. Of masks
# that hold several classes, the one that fills nearly all of these rows is the background.
_UPPER = 0.25
_FILLED = 0.95


class Encoding(StrEnum):
    """A way to write labels.

    Attributes:
        CURRENT: ids of the task, as in the dataset's current labels and this software's masks.
        LEGACY: 0 background, and then the classes from 1 on: the dataset's first labels, and what
            many networks put out.
        COLOR: the task's colours, as RGB or as the palette of an indexed image.
        BITMASK: RGBA, the dataset's format for instances.
        UNSURE: ids that could be several of these.
        OTHER: none of them.
    """

    CURRENT = "current"
    LEGACY = "legacy"
    COLOR = "color"
    BITMASK = "bitmask"
    UNSURE = "unsure"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one file is.

    Attributes:
        path: of the file.
        encoding: what its content says by itself.
        mode: Pillow's name of its pixels: "L", "P", "RGB", "RGBA".
        size_hw: in pixels.
        ids: values of a single-channel image.
        problem: what is wrong with it, or why it cannot be told; empty if nothing.
    """

    path: Path
    encoding: Encoding
    mode: str = ""
    size_hw: tuple[int, int] = (0, 0)
    ids: tuple[int, ...] = ()
    problem: str = ""


def inspect_file(path: Path, task: Task) -> Finding:
    """Return what a PNG file is, as far as it tells by itself; it never fails."""
    try:
        with Image.open(path) as image:
            mode, size = image.mode, (image.height, image.width)
            palette = image.getpalette() if mode == "P" else None
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        return Finding(path=path, encoding=Encoding.OTHER, problem=f"cannot be read: {error}")
    if mode == "RGBA":
        return _find(path, Encoding.BITMASK, mode, size)
    if mode == "RGB":
        return _inspect_colors(path, pixels, task)
    if mode not in ("L", "P"):
        problem = f"its mode is {mode}: one channel of 8 bits was expected"
        return _find(path, Encoding.OTHER, mode, size, problem=problem)
    # An official colormap is an indexed image whose indices are the ids, so it reads as a mask too.
    encoding, problem = recognize_ids(pixels, task)
    if mode == "P" and palette and encoding is not Encoding.OTHER and _is_colormap(palette, task):
        encoding, problem = Encoding.COLOR, ""
    ids = tuple(int(value) for value in np.unique(pixels))
    return _find(path, encoding, mode, size, ids, problem)


def recognize_ids(labels: npt.NDArray[np.uint8], task: Task) -> tuple[Encoding, str]:
    """Return how ids are to be read, and why that cannot be told or is wrong.

    Args:
        labels: (H, W), uint8.
        task: what they are of.
    """
    classes = len(task.classes)
    known = labels[labels != UNKNOWN_ID]
    if known.size == 0:
        return Encoding.UNSURE, "it holds nothing but 255 (unknown)"
    highest = int(known.max())
    if highest >= classes:
        return Encoding.OTHER, f"it has id {highest}, and {task.name} has 0 to {classes - 1}"
    if task.background is None:
        return Encoding.CURRENT, ""
    if known.min() == highest:
        return Encoding.UNSURE, f"it holds nothing but {highest}"
    upper = labels[: max(1, int(labels.shape[0] * _UPPER))]
    values, counts = np.unique(upper[upper != UNKNOWN_ID], return_counts=True)
    if counts.size == 0 or counts.max() < _FILLED * counts.sum():
        return Encoding.UNSURE, "no one id fills the upper rows"
    background = int(values[counts.argmax()])
    if background == classes - 1:
        return Encoding.CURRENT, ""
    if background == 0:
        return Encoding.LEGACY, ""
    return Encoding.UNSURE, f"id {background} fills the upper rows, which is no known background"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a folder of files is.

    Attributes:
        encoding: of all of them.
        confidence: the share of telling files that agree, 0 to 1.
        telling: how many files told by themselves.
    """

    encoding: Encoding
    confidence: float
    telling: int


def judge(findings: Sequence[Finding]) -> Verdict:
    """Return what files that belong together are; those that do not tell follow the others."""
    telling = [each.encoding for each in findings if each.encoding is not Encoding.UNSURE]
    if not telling:
        return Verdict(encoding=Encoding.UNSURE, confidence=0.0, telling=0)
    ((best, count),) = Counter(telling).most_common(1)
    return Verdict(encoding=best, confidence=count / len(telling), telling=len(telling))


def read_colors(pixels: npt.NDArray[np.uint8], task: Task) -> npt.NDArray[np.uint8]:
    """Return the ids of pixels in the task's colours, RGB (H, W, 3), uint8 -> (H, W), uint8.

    Raises:
        BddsegError: a colour is none of the task's.
    """
    codes = (pixels.astype(np.uint32) * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(axis=2)
    labels = np.full(codes.shape, UNKNOWN_ID, np.uint8)
    left = np.ones(codes.shape, bool)
    for number, (red, green, blue) in enumerate(task.colors):
        hit = codes == (red << 16 | green << 8 | blue)
        labels[hit] = number
        left &= ~hit
    # Black is unknown wherever it is no class.
    left &= codes != 0
    if left.any():
        stranger = pixels[tuple(np.argwhere(left)[0])]
        raise BddsegError(
            f"it has the colour {tuple(int(value) for value in stranger)}, which no class of "
            f"{task.name} has"
        )
    return labels


def _inspect_colors(path: Path, pixels: npt.NDArray[np.uint8], task: Task) -> Finding:
    size = (pixels.shape[0], pixels.shape[1])
    try:
        read_colors(pixels, task)
    except BddsegError as error:
        return _find(path, Encoding.OTHER, "RGB", size, problem=error.message)
    return _find(path, Encoding.COLOR, "RGB", size)


def _is_colormap(palette: Sequence[int], task: Task) -> bool:
    flat = [value for color in task.colors for value in color]
    return list(palette[: len(flat)]) == flat


def _find(
    path: Path,
    encoding: Encoding,
    mode: str,
    size_hw: tuple[int, int],
    ids: tuple[int, ...] = (),
    problem: str = "",
) -> Finding:
    return Finding(
        path=path, encoding=encoding, mode=mode, size_hw=size_hw, ids=ids, problem=problem
    )

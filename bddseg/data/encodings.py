"""How label files encode classes: detecting it, and reading them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bddseg.data.mask import get_ids
from bddseg.errors import BddsegError, quote
from bddseg.io.png import PngImage, read_png
from bddseg.io.read import UnreadableFileError
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import Image, LabelMap, SizeHW

# In a driving scene, the upper rows are sky, buildings or trees, never road: in a mask of several
# classes, the class that fills nearly all of these rows is the background.
_UPPER_SHARE = 0.25
_FILLED_SHARE = 0.95
_BLACK = (0, 0, 0)
# Label maps of fewer rows are no scenes.
MIN_SCENE_ROWS = 32


class Encoding(StrEnum):
    """How label files encode classes."""

    CURRENT = "current"  # class ids of the task: the dataset's current labels, and our masks
    LEGACY = "legacy"  # 0 for the background, classes from 1: its first labels, many networks
    COLOR = "color"  # the task's colors, as RGB or as the palette of an indexed image
    BITMASK = "bitmask"  # RGBA, the dataset's format for instances
    AMBIGUOUS = "ambiguous"  # ids that could be current or legacy
    INVALID = "invalid"  # not labels of the task


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a single label file looks like.

    Attributes:
        path: Path of the file.
        encoding: Encoding of the file, detected from its content alone.
        mode: Pillow's name of its pixel format, such as "L", "P", "RGB" or "RGBA"; empty if it
            cannot be read.
        size_hw: Size in pixels.
        ids: Values in a single-channel image.
        problem: Why it is ambiguous or invalid; otherwise empty.
    """

    path: Path
    encoding: Encoding
    mode: str = ""
    size_hw: SizeHW = (0, 0)
    ids: tuple[int, ...] = ()
    problem: str = ""

    @property
    def highest(self) -> int:
        """The highest id but `IGNORE_INDEX`; -1 if there is none."""
        return max((each for each in self.ids if each != IGNORE_INDEX), default=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The encoding of files that belong together.

    Attributes:
        encoding: The most frequent encoding of the conclusive files.
        matching: Number of conclusive files of that encoding.
        conclusive: Number of files that are not ambiguous.
    """

    encoding: Encoding
    matching: int
    conclusive: int

    @property
    def confidence(self) -> float:
        """Share of the conclusive files that have the encoding, 0 to 1."""
        return self.matching / self.conclusive if self.conclusive else 0.0


def inspect_file(path: Path, task: Task) -> Inspection:
    """Return what a label file looks like; a file that cannot be read is invalid."""
    try:
        image = read_png(path)
    except UnreadableFileError as error:
        problem = f"it cannot be read: {error.reason}"
        return Inspection(path=path, encoding=Encoding.INVALID, problem=problem)
    encoding, problem = _detect_image_encoding(image, task)
    height, width = image.pixels.shape[:2]
    ids = np.flatnonzero(_count_ids(image.pixels)).tolist() if image.is_single_channel else ()
    return Inspection(
        path=path,
        encoding=encoding,
        mode=image.mode,
        size_hw=(height, width),
        ids=tuple(ids),
        problem=problem,
    )


def detect_encoding(inspections: Sequence[Inspection]) -> Detection:
    """Return the encoding of files that belong together, by majority of the conclusive ones."""
    counts = Counter(each.encoding for each in inspections)
    counts.pop(Encoding.AMBIGUOUS, None)
    ((encoding, matching),) = counts.most_common(1) or [(Encoding.AMBIGUOUS, 0)]
    return Detection(encoding=encoding, matching=matching, conclusive=counts.total())


def detect_id_encoding(labels: LabelMap, task: Task) -> tuple[Encoding, str]:
    """Return the encoding of ids, and why it is ambiguous or invalid.

    Args:
        labels: Ids, (H, W), uint8.
        task: Task that they are labels of.
    """
    ids = np.flatnonzero(_count_ids(labels)[:IGNORE_INDEX])
    if ids.size == 0:
        return Encoding.AMBIGUOUS, f"all pixels are {IGNORE_INDEX} (ignored)"
    lowest, highest = int(ids[0]), int(ids[-1])
    if highest >= task.num_classes:
        return (
            Encoding.INVALID,
            f"it has id {highest}, and the ids of {task.name} are 0 to {task.num_classes - 1}",
        )
    if task.background is None:
        return Encoding.CURRENT, ""
    if lowest == highest:
        return Encoding.AMBIGUOUS, f"all pixels are {highest}"
    upper = _count_ids(labels[: max(1, int(labels.shape[0] * _UPPER_SHARE))])[:IGNORE_INDEX]
    if upper.max() < max(_FILLED_SHARE * upper.sum(), 1):
        return Encoding.AMBIGUOUS, "no single id fills the upper rows"
    background = int(upper.argmax())
    if background == task.fill_id:
        return Encoding.CURRENT, ""
    if background == 0:
        return Encoding.LEGACY, ""
    return Encoding.AMBIGUOUS, f"id {background} fills the upper rows, and is never the background"


def colors_to_ids(pixels: Image, task: Task) -> LabelMap:
    """Return the class ids, (H, W), uint8, of RGB pixels, (H, W, 3), uint8, in the task's colors.

    Black is `IGNORE_INDEX` unless it is the color of a class.

    Raises:
        ValueError: a color is not one of the task's.
    """
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    labels = np.full(codes.shape, IGNORE_INDEX, np.uint8)
    is_unmatched = codes != 0
    for class_id, (red, green, blue) in enumerate(task.colors):
        is_class = codes == (red << 16 | green << 8 | blue)
        labels[is_class] = class_id
        is_unmatched &= ~is_class
    if is_unmatched.any():
        color = tuple(pixels[is_unmatched][0].tolist())
        raise ValueError(f"no class of {task.name} has the color {color}")
    return labels


def read_label_file(
    path: Path, task: Task, encoding: Encoding, *, strict: bool = False
) -> LabelMap:
    """Return the class ids, (H, W), uint8, in a label file.

    Args:
        path: The file.
        task: Task of its labels.
        encoding: Encoding of the file: `CURRENT`, `LEGACY` or `COLOR`.
        strict: Refuse a file that looks like another encoding.

    Raises:
        BddsegError: it cannot be read, or has ids or colors that the task does not have.
    """
    if encoding is Encoding.COLOR:
        try:
            return colors_to_ids(read_png(path).to_rgb(), task)
        except ValueError as error:
            raise BddsegError(f"{path}: {error}.", "If it is of another task, use -t.") from error
    if encoding not in (Encoding.CURRENT, Encoding.LEGACY):
        raise ValueError(f"files of the encoding {encoding} have no label map")
    image = read_png(path)
    labels = get_ids(image)
    if strict and _has_task_palette(image, task):
        raise _deviating(path, "a colormap", task, encoding)
    is_invalid = (labels >= task.num_classes) & (labels != IGNORE_INDEX)
    if is_invalid.any():
        raise BddsegError(
            f"{path} has id {labels[is_invalid][0]}, and the ids of {task.name} are 0 to "
            f"{task.num_classes - 1}.",
            "If it is of another task, use -t.",
        )
    if strict:
        _refuse_other_ids(path, labels, task, encoding)
    return _rotate_ids(labels, task, -1) if encoding is Encoding.LEGACY else labels


def to_legacy_ids(labels: LabelMap, task: Task) -> LabelMap:
    """Return legacy ids, (H, W), uint8, of class ids: 0 for the background, classes from 1."""
    return _rotate_ids(labels, task, 1)


def _refuse_other_ids(path: Path, labels: LabelMap, task: Task, encoding: Encoding) -> None:
    """Raise a BddsegError for ids that look current where legacy ones were expected, or vice versa.

    Counting all pixels takes longer than decoding them. Few of the upper rows show whether it is
    needed: the other encoding's background has to fill them.
    """
    if task.background is None or labels.shape[0] < MIN_SCENE_ROWS:
        return
    other = Encoding.CURRENT if encoding is Encoding.LEGACY else Encoding.LEGACY
    background = task.fill_id if other is Encoding.CURRENT else 0
    few = labels[: int(labels.shape[0] * _UPPER_SHARE) : 8, ::8]
    if (few == background).mean() < 0.5 or detect_id_encoding(labels, task)[0] is not other:
        return
    raise _deviating(path, f"{other} ids", task, encoding)


def _deviating(path: Path, found: str, task: Task, encoding: Encoding) -> BddsegError:
    return BddsegError(
        f"{path} looks like {found}, and the files beside it are {encoding}.",
        f"Check them: bddseg labels check {quote(path.parent)} -t {task.name}",
    )


def _detect_image_encoding(image: PngImage, task: Task) -> tuple[Encoding, str]:
    if image.mode == "RGBA":
        return Encoding.BITMASK, ""
    if image.mode == "RGB":
        try:
            colors_to_ids(image.pixels, task)
        except ValueError as error:
            return Encoding.INVALID, str(error)
        return Encoding.COLOR, ""
    if not image.is_single_channel:
        problem = f"its mode is {image.mode}, and one 8-bit channel, RGB or RGBA was expected"
        return Encoding.INVALID, problem
    # An official colormap is an indexed image whose indices are the ids, so it reads as a mask too.
    if _has_task_palette(image, task):
        return Encoding.COLOR, ""
    return detect_id_encoding(image.pixels, task)


def _count_ids(labels: LabelMap) -> npt.NDArray[np.int64]:
    """Return the number of pixels of each id, (256,)."""
    return np.bincount(labels.ravel(), minlength=256)


def _has_task_palette(image: PngImage, task: Task) -> bool:
    """Return whether an image is indexed, and all its colors are the task's, in any order."""
    if image.palette is None:
        return False
    used = np.flatnonzero(_count_ids(image.pixels))
    if np.array_equal(image.palette[: task.num_classes], task.colors):
        return bool((used[used != IGNORE_INDEX] < task.num_classes).all())
    colors = {tuple(color) for color in image.palette[used].tolist()}
    # Black alone is also id 0 of a grey palette.
    return colors <= {*task.colors, _BLACK} and colors != {_BLACK}


def _rotate_ids(labels: LabelMap, task: Task, step: int) -> LabelMap:
    """Return ids plus `step`, modulo the number of classes; `IGNORE_INDEX` stays."""
    table = np.arange(256, dtype=np.uint8)
    table[: task.num_classes] = (np.arange(task.num_classes) + step) % task.num_classes
    return table[labels]

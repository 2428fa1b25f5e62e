"""Label files of each encoding, read as label maps."""

from pathlib import Path

import numpy as np

from bddseg.bdd100k.encodings import Encoding, colors_to_ids
from bddseg.data.mask import read_mask
from bddseg.errors import BddsegError
from bddseg.io.png import read_png
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import LabelMap


def read_label_file(path: Path, task: Task, encoding: Encoding) -> LabelMap:
    """Return the class ids, (H, W), uint8, in a label file.

    Args:
        path: The file.
        task: Task of its labels.
        encoding: Encoding of the file: `CURRENT`, `LEGACY` or `COLOR`.

    Raises:
        BddsegError: it cannot be read, or has ids or colors that the task does not have.
    """
    if encoding is Encoding.COLOR:
        return _read_colors(path, task)
    if encoding is Encoding.LEGACY:
        return _rotate_ids(_read_ids(path, task), task, -1)
    if encoding is Encoding.CURRENT:
        return _read_ids(path, task)
    raise ValueError(f"files of the encoding {encoding} have no label map")


def to_legacy_ids(labels: LabelMap, task: Task) -> LabelMap:
    """Return legacy ids, (H, W), uint8, of class ids: 0 for the background, classes from 1."""
    return _rotate_ids(labels, task, 1)


def _read_ids(path: Path, task: Task) -> LabelMap:
    labels = read_mask(path)
    is_invalid = (labels >= task.num_classes) & (labels != IGNORE_INDEX)
    if is_invalid.any():
        raise BddsegError(
            f"{path} has id {labels[is_invalid][0]}, and the ids of {task.name} are 0 to "
            f"{task.num_classes - 1}.",
            "If it is of another task, use -t.",
        )
    return labels


def _read_colors(path: Path, task: Task) -> LabelMap:
    pixels = read_png(path).to_rgb()
    try:
        return colors_to_ids(pixels, task)
    except ValueError as error:
        raise BddsegError(f"{path}: {error}.", "If it is of another task, use -t.") from error


def _rotate_ids(labels: LabelMap, task: Task, step: int) -> LabelMap:
    """Return ids plus `step`, modulo the number of classes; `IGNORE_INDEX` stays."""
    table = np.arange(256, dtype=np.uint8)
    table[: task.num_classes] = (np.arange(task.num_classes) + step) % task.num_classes
    return table[labels]

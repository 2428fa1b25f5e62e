"""Per-frame scores as a CSV file."""

import csv
import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.metrics.evaluation import ImageScore
from bddseg.tasks import Task


def write_images(
    path: Path, images: Sequence[ImageScore], task: Task, *, worst_first: bool = False
) -> None:
    """Write a row for each frame: its scores in percent, and its counts in pixels.

    A column `pixels TRUTH as RESULT` stands for each cell of the confusion matrix; "unknown" is
    what is outside all classes. Cells without a value are empty.

    Args:
        path: of the CSV file.
        images: the frames.
        task: whose classes were scored.
        worst_first: sort by mean IoU (background counted), from low to high.

    Raises:
        BddsegError: the file cannot be written.
    """
    names = [*task.classes, "unknown"]
    header = ["frame", "missing", "miou", "official_miou", "pixel_acc"]
    header += [f"iou {name}" for name in task.classes]
    header += [f"pixels {truth} as {result}" for truth in names for result in names]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for image in sorted(images, key=_rank) if worst_first else images:
        plain = image.plain
        scores = [plain.mean_iou_all, image.official_miou, plain.pixel_acc]
        scores += [plain.classes[name].iou for name in task.classes]
        row = [
            image.name,
            int(image.missing),
            *map(_format, scores),
            *image.counts.ravel().tolist(),
        ]
        writer.writerow(row)
    write_atomically(path, text.getvalue().encode())


def read_worst(path: Path, number: int) -> list[str]:
    """Return the names of the frames with the lowest mean IoU in such a file, the worst first.

    Frames without a result, or without a score, are left out.

    Raises:
        BddsegError: the file cannot be read, or is not of this kind.
    """
    try:
        with path.open(newline="") as file:
            rows = [
                (float(row["miou"]), row["frame"])
                for row in csv.DictReader(file)
                if row["miou"] and not int(row["missing"])
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BddsegError(
            f"{path} is no table of frames' scores: {type(error).__name__}: {error}.",
            f"Write one: bddseg eval -g TRUTH -r RESULT --per-image {path}",
        ) from error
    return [name for _, name in sorted(rows)[:number]]


def _rank(image: ImageScore) -> tuple[float, str]:
    miou = image.plain.mean_iou_all
    return (math.inf if math.isnan(miou) else miou), image.name


def _format(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"

"""The scores of each frame as a CSV file."""

import csv
import math
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from bddseg.errors import BddsegError, quote
from bddseg.io.atomic import write_atomically
from bddseg.io.names import escape_names
from bddseg.io.read import UnreadableFileError, read_file
from bddseg.metrics.confusion import UNLABELED
from bddseg.metrics.evaluation import Evaluation, FrameResult, order_worst_first
from bddseg.metrics.metric import compute_headlines, name_scores

# What a formula of a spreadsheet begins with; and the quote itself, so that names stay different.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def write_frames(path: Path, evaluation: Evaluation, *, worst_first: bool = False) -> None:
    """Write a row for each frame: its scores in percent, and its confusion matrix in pixels.

    Columns:

    - frame, missing: Name; 1 if there is no prediction, else 0.
    - rank: 1 for the worst frame, by `Evaluation.rank_key`; empty if it has no score.
    - official_miou and so on: The headlines of all metrics.
    - standard.classes.direct.iou and so on: All numbers of all metrics, by their path in the JSON.
    - pixels GROUND_TRUTH as PREDICTION: Each cell of the confusion matrix.

    A cell without a value is empty.

    Args:
        path: CSV file.
        evaluation: Evaluation of the frames.
        worst_first: Sort rows by rank; otherwise they are in the order of the ground truth.

    Raises:
        BddsegError: the file cannot be written.
    """
    rows = [_describe_frame(frame, evaluation) for frame in evaluation.frames]
    rank_key = evaluation.rank_key
    ranked = sorted(rows, key=lambda row: (*order_worst_first(row[rank_key]), row["frame"]))
    for rank, row in enumerate(ranked, start=1):
        row["rank"] = "" if math.isnan(row[rank_key]) else rank
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_format, rows[0]))
    for row in ranked if worst_first else rows:
        writer.writerow(map(_format, row.values()))
    write_atomically(path, escape_names(text.getvalue()).encode())


def read_worst(path: Path, number: int) -> list[str]:
    """Return the names of the frames with the lowest scores in such a file, the worst first.

    Frames without a prediction or a score are ignored.

    Raises:
        BddsegError: the file cannot be read, or is not such a file.
    """
    hint = f"Write one: bddseg eval -g GROUND_TRUTH -r PREDICTIONS --per-image {quote(path)}"
    try:
        content = read_file(path)
    except UnreadableFileError as error:
        raise UnreadableFileError(path, error.reason, hint) from error
    try:
        rows = [
            (int(row["rank"]), _unquote(row["frame"]))
            for row in csv.DictReader(StringIO(content.decode(), newline=""))
            if row["rank"] and not int(row["missing"])
        ]
    except (csv.Error, KeyError, ValueError, TypeError) as error:
        raise BddsegError(
            f"{path} is not a table of scores per frame: {type(error).__name__}: {error}.", hint
        ) from error
    return [name for _, name in sorted(rows)[:number]]


def _describe_frame(frame: FrameResult, evaluation: Evaluation) -> dict[str, Any]:
    classes = [*evaluation.task.classes, UNLABELED]
    cells = [f"pixels {true} as {predicted}" for true in classes for predicted in classes]
    return {
        "frame": frame.name,
        "missing": int(frame.is_missing),
        "rank": "",
        **compute_headlines(frame.metrics),
        **dict(_flatten(name_scores(frame.metrics))),
        **dict(zip(cells, frame.metrics["standard"].counts.ravel().tolist(), strict=True)),
    }


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield each number with its path, such as "official.mean.iou"."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _format(value: Any) -> Any:
    if isinstance(value, str):
        # A spreadsheet would execute it.
        return f"'{value}" if value.startswith(_FORMULA) else value
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.4f}"


def _unquote(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell

"""Scoring a folder of masks against a folder of truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bddseg.data.masks import list_masks, read_mask
from bddseg.errors import BddsegError
from bddseg.files import RECORD_NAME
from bddseg.metrics.boundary import BoundaryCounts, compute_boundary_iou, count_boundary
from bddseg.metrics.confusion import Counts, count_pixels
from bddseg.metrics.scores import (
    OfficialScore,
    PlainScore,
    compute_binary_score,
    compute_plain_score,
    compute_score,
)
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A truth mask and the mask to score against it; None if there is none."""

    truth: Path
    result: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """What one frame came to.

    Attributes:
        name: the stem of its masks.
        missing: whether there is no result.
        plain: its score, the background counted.
        official_miou: its official mean IoU, in percent; NaN if the truth has no scored class.
        counts: of its pixels.
    """

    name: str
    missing: bool
    plain: PlainScore
    official_miou: float
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A score and what it rests on.

    Attributes:
        task: whose classes were scored.
        score: the official score.
        plain: the score in which the background counts.
        binary: the score of drivable or not, if the task has a background.
        counts: (K + 1, K + 1), truth by result, of the task's K classes and what is outside them.
        boundary_iou: of each class, in percent, if asked for; edges alone (Cheng et al., 2021).
        frames: number of truth masks.
        missing: truth masks without a result; they count as wholly wrong.
        surplus: results without truth; they count for nothing.
    """

    task: Task
    score: OfficialScore
    plain: PlainScore
    binary: PlainScore | None
    counts: Counts = field(compare=False)
    boundary_iou: dict[str, float] | None
    frames: int
    missing: tuple[Path, ...]
    surplus: tuple[Path, ...]


def evaluate(
    truth: Path,
    result: Path,
    task: Task,
    *,
    workers: int = 1,
    track: Track = track_silently,
    on_image: Callable[[ImageScore], None] | None = None,
    boundary: bool = False,
) -> Evaluation:
    """Return the official score of the masks in `result` against those in `truth`.

    Masks are paired by file stem, whatever subfolder they are in.

    Args:
        truth: folder of truth masks.
        result: folder of the masks to score.
        task: whose classes they hold.
        workers: number of threads.
        track: shows progress.
        on_image: is given the score of each frame, in the order of the truth.
        boundary: whether edges are scored too, which takes several times as long.

    Raises:
        BddsegError: a folder is missing or empty, nothing pairs, or a mask is unreadable or of
            another size than its truth. A score that leaves out frames would mislead, so the first
            such mask ends the evaluation.
    """
    truths = _index(list_masks(truth))
    results = _index(list_masks(result))
    if (truth / RECORD_NAME).exists() and not (result / RECORD_NAME).exists():
        raise BddsegError(
            f"{truth / RECORD_NAME} says that {truth} holds results, not truth.",
            f"Are the two swapped? Try -g {result} -r {truth}.",
        )
    pairs = pair_masks(truths, results)
    missing = tuple(pair.truth for pair in pairs if pair.result is None)
    if len(missing) == len(pairs):
        raise BddsegError(
            f"No mask in {result} has the name of one in {truth} (such as {pairs[0].truth.name}).",
            "Masks are paired by file name without the suffix; check both folders.",
        )
    size = len(task.classes) + 1
    counts = np.zeros((size, size), np.int64)
    edges = np.zeros((len(task.classes), 2), np.int64) if boundary else None
    count = partial(count_pair, task=task, boundary=boundary)
    for pair, outcome in zip(
        pairs, map_in_threads(count, track(pairs, "Scoring"), workers), strict=True
    ):
        if isinstance(outcome, BddsegError):
            raise outcome
        pair_counts, pair_edges = outcome
        counts += pair_counts
        if edges is not None and pair_edges is not None:
            edges += pair_edges
        if on_image is not None:
            on_image(score_image(pair, pair_counts, task))
    return Evaluation(
        task=task,
        score=compute_score(counts, task),
        plain=compute_plain_score(counts, task),
        binary=compute_binary_score(counts, task),
        counts=counts,
        boundary_iou=None
        if edges is None
        else dict(zip(task.classes, compute_boundary_iou(edges), strict=True)),
        frames=len(pairs),
        missing=missing,
        surplus=tuple(path for stem, path in results.items() if stem not in truths),
    )


def score_image(pair: Pair, counts: Counts, task: Task) -> ImageScore:
    """Return the score of one frame."""
    return ImageScore(
        name=pair.truth.stem,
        missing=pair.result is None,
        plain=compute_plain_score(counts, task),
        official_miou=compute_score(counts, task).mean_iou,
        counts=counts,
    )


def _index(paths: Sequence[Path]) -> dict[str, Path]:
    """Return masks by stem; two of one stem could not be told apart."""
    index: dict[str, Path] = {}
    for path in paths:
        other = index.setdefault(path.stem, path)
        if other is not path:
            raise BddsegError(
                f"{other} and {path} have the same name.",
                "Masks are paired by file name, whatever folder they are in: rename or remove one.",
            )
    return index


def pair_masks(truths: Mapping[str, Path], results: Mapping[str, Path]) -> list[Pair]:
    """Return each truth mask with the result of the same stem."""
    return [Pair(truth=path, result=results.get(stem)) for stem, path in truths.items()]


def count_pair(
    pair: Pair, task: Task, *, boundary: bool = False
) -> tuple[Counts, BoundaryCounts | None]:
    """Return the counts of one pair of masks, and those of its edges if asked.

    A missing result counts as outside all classes everywhere, as in the official evaluator.

    Raises:
        BddsegError: a mask cannot be read, or the two differ in size.
    """
    size = len(task.classes) + 1
    truth = read_mask(pair.truth)
    result = np.full_like(truth, size - 1) if pair.result is None else read_mask(pair.result)
    if truth.shape != result.shape:
        raise BddsegError(
            f"{pair.result} is {_describe_size(result)}, but its truth {pair.truth} is "
            f"{_describe_size(truth)}.",
            "Masks must have the size of their truth; make them again from the full frames.",
        )
    edges = count_boundary(truth, result, len(task.classes)) if boundary else None
    return count_pixels(truth, result, size), edges


def _describe_size(labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    return f"{labels.shape[1]}x{labels.shape[0]}"

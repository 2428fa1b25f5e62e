"""Scoring a folder of masks against a folder of truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bddseg.data.label_maps import LabelMap, find_label_maps
from bddseg.data.masks import Labels
from bddseg.data.scalabel import get_blank_id
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
from bddseg.tasks import FRAME_SIZE_HW, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A frame's truth and what is to be scored against it; None if there is none."""

    truth: LabelMap
    result: LabelMap | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """What one frame came to.

    Attributes:
        name: of its label maps.
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
        frames: number of frames with truth.
        missing: where truth stands that has no result; it counts as wholly wrong.
        surplus: where results stand that have no truth; they count for nothing.
    """

    task: Task
    score: OfficialScore
    plain: PlainScore
    binary: PlainScore | None
    counts: Counts = field(compare=False)
    boundary_iou: dict[str, float] | None
    frames: int
    missing: tuple[str, ...]
    surplus: tuple[str, ...]


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
    """Return the official score of the label maps in `result` against those in `truth`.

    They are paired by name, whatever subfolder they are in.

    Args:
        truth: a folder of masks, a JSON file of Scalabel's format, or a folder of such files.
        result: what is to be scored, likewise.
        task: whose classes they hold.
        workers: number of threads.
        track: shows progress.
        on_image: is given the score of each frame, in the order of the truth.
        boundary: whether edges are scored too, which takes several times as long.

    Raises:
        BddsegError: a source is missing or empty, nothing pairs, or a label map is unreadable or of
            another size than its truth. A score that leaves out frames would mislead, so the first
            such frame ends the evaluation.
    """
    truths = find_label_maps(truth, task)
    results = find_label_maps(result, task)
    if (truth / RECORD_NAME).exists() and not (result / RECORD_NAME).exists():
        raise BddsegError(
            f"{truth / RECORD_NAME} says that {truth} holds results, not truth.",
            f"Are the two swapped? Try -g {result} -r {truth}.",
        )
    pairs = [Pair(truth=each, result=results.get(name)) for name, each in truths.items()]
    missing = tuple(pair.truth.origin for pair in pairs if pair.result is None)
    if len(missing) == len(pairs):
        raise BddsegError(
            f"Nothing in {result} has the name of anything in {truth} "
            f"(such as {pairs[0].truth.name}).",
            "Label maps are paired by file name without the suffix; check both.",
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
        surplus=tuple(each.origin for name, each in results.items() if name not in truths),
    )


def score_image(pair: Pair, counts: Counts, task: Task) -> ImageScore:
    """Return the score of one frame."""
    return ImageScore(
        name=pair.truth.name,
        missing=pair.result is None,
        plain=compute_plain_score(counts, task),
        official_miou=compute_score(counts, task).mean_iou,
        counts=counts,
    )


def count_pair(
    pair: Pair, task: Task, *, boundary: bool = False
) -> tuple[Counts, BoundaryCounts | None]:
    """Return the counts of a pair of label maps, and those of its edges if asked.

    A missing result counts as outside all classes everywhere, as in the official evaluator.

    Raises:
        BddsegError: a label map cannot be read, or the two differ in size.
    """
    outside = len(task.classes)
    blank = get_blank_id(task)
    known = pair.truth.read(), pair.result.read() if pair.result else None
    # Where nothing was labelled, nothing says a size: the other one does, or the dataset.
    shape = next((labels.shape for labels in known if labels is not None), FRAME_SIZE_HW)
    fills = (blank, blank if pair.result else outside)
    truth, result = (
        np.full(shape, fill, np.uint8) if labels is None else labels
        for labels, fill in zip(known, fills, strict=True)
    )
    if pair.result and truth.shape != result.shape:
        raise BddsegError(
            f"{pair.result.origin} is {_describe_size(result)}, but its truth "
            f"{pair.truth.origin} is {_describe_size(truth)}.",
            "Both must have the same size; make results again from the full frames.",
        )
    edges = count_boundary(truth, result, len(task.classes)) if boundary else None
    return count_pixels(truth, result, outside + 1), edges


def _describe_size(labels: Labels) -> str:
    return f"{labels.shape[1]}x{labels.shape[0]}"

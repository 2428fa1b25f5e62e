"""Scoring a folder of masks against a folder of truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bddseg.data.masks import list_masks, read_mask
from bddseg.errors import BddsegError
from bddseg.metrics.confusion import Counts, count_pixels
from bddseg.metrics.scores import OfficialScore, compute_official_score
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A truth mask and the mask to score against it; None if there is none."""

    truth: Path
    result: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A score and what it rests on.

    Attributes:
        task: whose classes were scored.
        score: the official score.
        frames: number of truth masks.
        missing: truth masks without a result; they count as wholly wrong.
        surplus: results without truth; they count for nothing.
    """

    task: Task
    score: OfficialScore
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
) -> Evaluation:
    """Return the official score of the masks in `result` against those in `truth`.

    Masks are paired by file stem, whatever subfolder they are in.

    Raises:
        BddsegError: a folder is missing or empty, nothing pairs, or a mask is unreadable or of
            another size than its truth. A score that leaves out frames would mislead, so the first
            such mask ends the evaluation.
    """
    truths = list_masks(truth)
    results = {path.stem: path for path in list_masks(result)}
    pairs = pair_masks(truths, results)
    missing = tuple(pair.truth for pair in pairs if pair.result is None)
    if len(missing) == len(pairs):
        raise BddsegError(
            f"No mask in {result} has the name of one in {truth} (such as {truths[0].name}).",
            "Masks are paired by file name without the suffix; check both folders.",
        )
    stems = {path.stem for path in truths}
    size = len(task.scored_classes) + 1
    counts = np.zeros((size, size), np.int64)
    for pair_counts in map_in_threads(
        partial(count_pair, size=size), track(pairs, "Scoring"), workers
    ):
        if isinstance(pair_counts, BddsegError):
            raise pair_counts
        counts += pair_counts
    return Evaluation(
        task=task,
        score=compute_official_score(counts, task.scored_classes),
        frames=len(pairs),
        missing=missing,
        surplus=tuple(path for stem, path in results.items() if stem not in stems),
    )


def pair_masks(truths: Sequence[Path], results: Mapping[str, Path]) -> list[Pair]:
    """Return each truth mask with the result of the same stem."""
    return [Pair(truth=truth, result=results.get(truth.stem)) for truth in truths]


def count_pair(pair: Pair, size: int) -> Counts:
    """Return the counts (size, size) of one pair of masks.

    A missing result counts as the last class everywhere, as in the official evaluator.

    Raises:
        BddsegError: a mask cannot be read, or the two differ in size.
    """
    truth = read_mask(pair.truth)
    if pair.result is None:
        return count_pixels(truth, np.full_like(truth, size - 1), size)
    result = read_mask(pair.result)
    if truth.shape != result.shape:
        raise BddsegError(
            f"{pair.result} is {_describe_size(result)}, but its truth {pair.truth} is "
            f"{_describe_size(truth)}.",
            "Masks must have the size of their truth; make them again from the full frames.",
        )
    return count_pixels(truth, result, size)


def _describe_size(labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    return f"{labels.shape[1]}x{labels.shape[0]}"

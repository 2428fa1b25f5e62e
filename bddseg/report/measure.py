"""What masks and probabilities tell without a score: areas, changes, confidence, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from bddseg.data.label_set import LabelMapRef
from bddseg.data.probability import MAX_PROBABILITY, read_probability
from bddseg.errors import BddsegError
from bddseg.metrics.confusion import Counts
from bddseg.progress import Track, map_in_threads
from bddseg.report.frames import ReportFrame
from bddseg.tasks.task import Task
from bddseg.types import LabelMap

# Levels of confidence that pixels are counted by: a probability without its last 8 bits.
NUM_LEVELS = 256

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMeasures:
    """The measures of one frame with R results; NaN where a mask or probabilities are missing.

    Attributes:
        areas: Share of the pixels that each class has, (R, K), 0 to 1.
        changed: Share of the pixels whose class differs from that of the first result, (R,).
        confidence: Mean probability of the pixels' classes, (R,), 0 to 1.
        levels: Number of pixels by result, by whether they are right, and by level of confidence,
            (R, 2, NUM_LEVELS), int64. Without ground truth, all count as right; unlabeled pixels do
            not count.
    """

    areas: Floats
    changed: Floats
    confidence: Floats
    levels: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures of N frames with R results; see `FrameMeasures`.

    Attributes:
        areas: (N, R, K).
        changed: (N, R).
        confidence: (N, R).
        levels: Sum over the frames, (R, 2, NUM_LEVELS).
    """

    areas: Floats
    changed: Floats
    confidence: Floats
    levels: Counts


def measure_frames(
    frames: Sequence[ReportFrame], task: Task, *, num_threads: int, track: Track
) -> Measures:
    """Return the measures of frames, which all have as many predictions.

    Raises:
        BddsegError: a file cannot be read, or the masks of a frame differ in size.
    """
    num_results = len(frames[0].predictions)
    levels = np.zeros((num_results, 2, NUM_LEVELS), np.int64)
    # Nothing but these numbers is kept of a frame.
    areas = np.empty((len(frames), num_results, task.num_classes))
    changed, confidence = np.empty((2, len(frames), num_results))
    step = partial(measure_frame, task=task)
    with map_in_threads(step, track(frames, "Measuring"), num_threads) as outcomes:
        for row, outcome in enumerate(outcomes):
            if isinstance(outcome, BddsegError):
                raise outcome
            areas[row], changed[row] = outcome.areas, outcome.changed
            confidence[row] = outcome.confidence
            levels += outcome.levels
    return Measures(areas=areas, changed=changed, confidence=confidence, levels=levels)


def measure_frame(frame: ReportFrame, task: Task) -> FrameMeasures:
    """Return the measures of a frame.

    Raises:
        BddsegError: a file cannot be read, or the masks of the frame differ in size.
    """
    masks = [ref.read() if ref else None for ref in frame.predictions]
    # Of the ground truth, only calibration needs the pixels.
    needs_truth = frame.ground_truth is not None and any(frame.probabilities)
    truth = frame.ground_truth.read() if needs_truth and frame.ground_truth else None
    num_results = len(masks)
    areas = np.full((num_results, task.num_classes), np.nan)
    changed, confidence = np.full((2, num_results), np.nan)
    levels = np.zeros((num_results, 2, NUM_LEVELS), np.int64)
    for row, mask in enumerate(masks):
        if mask is None:
            continue
        counts = np.bincount(mask.ravel(), minlength=task.num_classes)[: task.num_classes]
        areas[row] = counts / mask.size
        if (first := masks[0]) is not None:
            _check_sizes(frame.predictions[0], first, frame.predictions[row], mask)
            changed[row] = np.count_nonzero(mask != first) / mask.size
        if path := frame.probabilities[row]:
            values = read_probability(path)
            if values.shape != mask.shape:
                raise _size_error(str(path), values.shape, "its mask", mask.shape)
            confidence[row] = values.mean() / MAX_PROBABILITY
            if truth is not None:
                _check_sizes(frame.ground_truth, truth, frame.predictions[row], mask)
            levels[row] = _count_levels((values >> 8).astype(np.uint8), mask, truth, task)
    return FrameMeasures(areas=areas, changed=changed, confidence=confidence, levels=levels)


def _count_levels(levels: LabelMap, mask: LabelMap, truth: LabelMap | None, task: Task) -> Counts:
    """Return the number of pixels of each level, (2, NUM_LEVELS): wrong ones, right ones."""
    counts = np.zeros((2, NUM_LEVELS), np.int64)
    if truth is None:
        counts[1] = np.bincount(levels.ravel(), minlength=NUM_LEVELS)
        return counts
    labeled, right = truth < task.num_classes, truth == mask
    counts[0] = np.bincount(levels[labeled & ~right], minlength=NUM_LEVELS)
    counts[1] = np.bincount(levels[labeled & right], minlength=NUM_LEVELS)
    return counts


def _check_sizes(
    first: LabelMapRef | None, pixels: LabelMap, second: LabelMapRef | None, others: LabelMap
) -> None:
    if first and second and pixels.shape != others.shape:
        raise _size_error(second.origin, others.shape, first.origin, pixels.shape)


def _size_error(
    origin: str, shape: tuple[int, ...], other: str, other_shape: tuple[int, ...]
) -> BddsegError:
    return BddsegError(
        f"{origin} is {shape[1]}x{shape[0]}, but {other} is {other_shape[1]}x{other_shape[0]}.",
        "Both must have the same size; predict again from the frames at full size.",
    )

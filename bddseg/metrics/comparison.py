"""Comparing results on the same frames: is a difference more than chance?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bddseg.metrics.confusion import Counts
from bddseg.metrics.scores import compute_plain_score, compute_score
from bddseg.tasks import Task

_DRAWS = 1000
_CHUNK = 50
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much better one result is than another, in points.

    Attributes:
        value: second minus first, on all frames.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def official_miou(counts: Counts, task: Task) -> float:
    """Return the official mean IoU, in percent."""
    return compute_score(counts, task).mean_iou


def plain_miou(counts: Counts, task: Task) -> float:
    """Return the mean IoU in which the background counts, in percent."""
    return compute_plain_score(counts, task).mean_iou


def compare_results(
    first: Counts, second: Counts, task: Task, measure: Callable[[Counts, Task], float]
) -> Difference:
    """Return the difference of two results, with a paired bootstrap interval over frames.

    Frames are drawn anew with replacement, the same ones for both, 1,000 times; each draw is scored
    from its summed counts, as the set is. The interval holds the middle 95 % (Efron and Tibshirani,
    An Introduction to the Bootstrap, 1993, chapter 13). It is the same in every run.

    Args:
        first: (N, K + 1, K + 1), the counts of each of N frames.
        second: likewise, of the same frames.
        task: whose classes they are.
        measure: gives a score from summed counts.
    """
    frames = len(first)
    both = np.stack([first, second], axis=1).reshape(frames, -1)
    shape = (2, *first.shape[1:])

    def score(summed: Counts) -> float:
        one, two = summed.reshape(shape)
        return measure(two, task) - measure(one, task)

    generator = np.random.default_rng(0)
    drawn: list[float] = []
    for _ in range(_DRAWS // _CHUNK):
        weights = generator.multinomial(frames, np.full(frames, 1 / frames), size=_CHUNK)
        drawn += [score(summed) for summed in weights @ both]
    low, high = np.nanpercentile(drawn, _TAILS)
    return Difference(value=score(both.sum(axis=0)), low=float(low), high=float(high))

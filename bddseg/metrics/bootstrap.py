"""Comparing predictions on the same frames: is a difference larger than chance explains?"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import Evaluation
from bddseg.metrics.metric import compute_headlines

# How intervals are computed; see `compare_evaluations`.
METHOD = "percentile bootstrap over frames"
NUM_SAMPLES, SEED, LEVEL = 1000, 0, 0.95
_CHUNK = 50

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number with its uncertainty, in points.

    Attributes:
        value: Number on all frames.
        low: Lower end of the 95 % confidence interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


class Difference(Interval):
    """The second result minus the first, in points."""

    __slots__ = ()

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        return asdict(self) | {"significant": self.significant}


# Each headline for all frames, and then for each bootstrap sample.
HeadlineSamples = dict[str, Floats]


def sample_headlines(evaluation: Evaluation) -> HeadlineSamples:
    """Return the headlines of an evaluation for bootstrap samples of its frames.

    All evaluations of as many frames have the same samples.
    """
    samples: HeadlineSamples = {}
    for name in evaluation.metrics:
        samples |= _score_samples(name, evaluation)
    return samples


def estimate_intervals(evaluation: Evaluation) -> dict[str, Interval]:
    """Return each headline with a bootstrap interval over frames; see `compare_evaluations`."""
    return summarize_samples(sample_headlines(evaluation))


def summarize_samples(samples: HeadlineSamples) -> dict[str, Interval]:
    """Return each headline with its interval."""
    return {key: Interval(**_summarize(values)) for key, values in samples.items()}


def compare_samples(first: HeadlineSamples, second: HeadlineSamples) -> dict[str, Difference]:
    """Return the difference in each headline; both are of the same frames."""
    return {key: Difference(**_summarize(second[key] - first[key])) for key in first}


def compare_evaluations(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """Return the difference in each headline, with a paired bootstrap interval over frames.

    Frames are resampled with replacement 1,000 times, the same ones for both; each sample is scored
    from its summed counts. The interval holds the middle 95 % of the differences (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). It is the same in every run.

    Args:
        first: An evaluation.
        second: Another one, of the same frames and metrics.

    Raises:
        BddsegError: the two are of different frames.
    """
    if [frame.name for frame in first.frames] != [frame.name for frame in second.frames]:
        raise BddsegError(
            "The two evaluations are of different frames.", "Score both against one ground truth."
        )
    return compare_samples(sample_headlines(first), sample_headlines(second))


def _score_samples(name: str, evaluation: Evaluation) -> dict[str, Floats]:
    """Return each headline of a metric for all frames, and then for each bootstrap sample."""
    metric = type(evaluation.metrics[name])(evaluation.task)
    counts = np.stack([frame.metrics[name].counts for frame in evaluation.frames])
    # Sums of pixels are exact in float64, which has faster products of matrices than int64.
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    rows: list[dict[str, float]] = []
    for weights in _draw_weights(len(counts)):
        for summed in weights @ flat:
            metric.counts = summed.astype(np.int64).reshape(counts.shape[1:])
            rows.append(compute_headlines({name: metric}))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _draw_weights(num_frames: int) -> Iterator[Floats]:
    """Yield how often each frame is in a sample, (samples, frames), in chunks; first, each once."""
    yield np.ones((1, num_frames))
    generator = np.random.default_rng(SEED)
    shares = np.full(num_frames, 1 / num_frames)
    for _ in range(NUM_SAMPLES // _CHUNK):
        yield generator.multinomial(num_frames, shares, size=_CHUNK).astype(np.float64)


def _summarize(values: Floats) -> dict[str, float]:
    samples = values[1:]
    # Without a sample that has a value, as for a class that occurs nowhere, there is no interval.
    usable = samples[~np.isnan(samples)]
    ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    low, high = np.quantile(usable, ends) if usable.size else (math.nan, math.nan)
    return {"value": float(values[0]), "low": float(low), "high": float(high)}

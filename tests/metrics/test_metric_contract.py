"""The contracts of metrics: the built-in ones fulfil them, and violations are found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bddseg.metrics.metric import METRICS, FramePair, Metric, Scores
from bddseg.metrics.standard import StandardMetric
from bddseg.tasks.task import Task
from bddseg.testing import METRIC_CONTRACTS

Contract = Callable[[type[Metric]], None]


@pytest.mark.parametrize("contract", METRIC_CONTRACTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", ["binary", "boundary", "official", "standard"])
def test_built_in_metrics_fulfil_every_contract(name: str, contract: Contract) -> None:
    contract(METRICS.load(name))


class NoTask(StandardMetric):
    @classmethod
    def supports(cls, task: Task) -> bool:
        return False


class SharedCounts(StandardMetric):
    shared = np.zeros((20, 20), np.int64)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.counts = self.shared


class ForgetsOnMerge(StandardMetric):
    def merge(self, other: Any) -> None:
        self.counts = other.counts.copy()


class KeepsMore(StandardMetric):
    frames = 0

    def update(self, pair: FramePair) -> None:
        super().update(pair)
        self.frames += 1

    def merge(self, other: Any) -> None:
        super().merge(other)
        self.frames += other.frames

    def compute(self) -> Scores:
        return {**super().compute(), "mean": {"iou": float(self.frames)}}


class ChangesPairs(StandardMetric):
    def update(self, pair: FramePair) -> None:
        pair.prediction[...] = 0
        super().update(pair)


class LacksNumbers(StandardMetric):
    def compute(self) -> Scores:
        return {**super().compute(), "overall": {}}


@pytest.mark.parametrize(
    ("metric", "contract"),
    [
        (NoTask, "supports_a_task"),
        (SharedCounts, "starts_with_zero_counts"),
        (ForgetsOnMerge, "adds_up_over_frames"),
        (KeepsMore, "is_computed_from_counts"),
        (ChangesPairs, "leaves_label_maps_unchanged"),
        (LacksNumbers, "describes_its_scores"),
    ],
)
def test_a_violation_is_found(metric: type[Metric], contract: str) -> None:
    (function,) = (each for each in METRIC_CONTRACTS if each.__name__ == contract)
    with pytest.raises(AssertionError):
        function(metric)

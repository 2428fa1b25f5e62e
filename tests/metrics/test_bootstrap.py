"""Differences between results on the same frames."""

import math
from pathlib import Path

import numpy as np
import pytest
from metrics.helpers import write_masks

from bddseg.errors import BddsegError
from bddseg.metrics.bootstrap import Difference, compare_evaluations, estimate_intervals
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.evaluation import Evaluation, FrameResult
from bddseg.metrics.metric import METRICS, FramePair
from bddseg.tasks.task import get_task

TASK = get_task("drivable")


def make_evaluation(
    error_rate: float, seed: int, names: tuple[str, ...] = ("official", "standard", "binary")
) -> Evaluation:
    """An evaluation of 60 frames in which a share of the pixels is wrong."""
    generator = np.random.default_rng(seed)
    frames = []
    for number in range(60):
        labels = np.random.default_rng(number).integers(0, 3, (30, 40)).astype(np.uint8)
        is_wrong = generator.random(labels.shape) < error_rate * generator.uniform(0.5, 1.5)
        prediction = np.where(is_wrong, (labels + 1) % 3, labels).astype(np.uint8)
        pair = FramePair(labels, prediction, TASK)
        metrics = {name: METRICS.load(name)(TASK) for name in names}
        for metric in metrics.values():
            metric.update(pair)
        frames.append(FrameResult(name=str(number), is_missing=False, metrics=metrics))
    return Evaluation(task=TASK, frames=tuple(frames))


def test_a_real_difference_is_significant() -> None:
    differences = compare_evaluations(make_evaluation(0.2, 1), make_evaluation(0.1, 2))
    for difference in differences.values():
        assert difference.low < difference.value < difference.high
        assert difference.low > 5
        assert difference.significant


def test_a_difference_by_chance_is_not_significant() -> None:
    differences = compare_evaluations(make_evaluation(0.1, 1), make_evaluation(0.1, 2))
    difference = differences["official_miou"]
    assert difference.low < 0 < difference.high
    assert not difference.significant


def test_the_value_is_the_difference_of_the_headlines() -> None:
    first, second = make_evaluation(0.2, 1), make_evaluation(0.1, 2)
    for key, difference in compare_evaluations(first, second).items():
        assert difference.value == pytest.approx(second.headlines[key] - first.headlines[key])


def test_the_interval_is_as_wide_as_the_spread_of_new_samples() -> None:
    """The bootstrap's width against that of differences on frames that it has not seen."""
    values = [
        compare_evaluations(
            make_evaluation(0.15, seed, ("standard",)),
            make_evaluation(0.1, 99 + seed, ("standard",)),
        )["standard_miou_without_background"]
        for seed in range(12)
    ]
    widths = [value.high - value.low for value in values]
    spread = np.std([value.value for value in values])
    assert 2 < np.median(widths) / spread < 8


def test_equal_results_have_no_difference() -> None:
    evaluation = make_evaluation(0.1, 1)
    nothing = Difference(value=0, low=0, high=0)
    assert set(compare_evaluations(evaluation, evaluation).values()) == {nothing}


def test_a_score_without_a_value_has_no_interval(tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[2, 2]]}, predictions={"a": [[2, 2]]})
    difference = compare_evaluations(evaluate(*paths), evaluate(*paths))["official_miou"]
    assert math.isnan(difference.value)
    assert math.isnan(difference.low)
    assert not difference.significant


def test_results_of_other_frames_cannot_be_compared(tmp_path: Path) -> None:
    one = write_masks(tmp_path / "1", ground_truth={"a": [[0]]}, predictions={"a": [[0]]})
    two = write_masks(tmp_path / "2", ground_truth={"b": [[0]]}, predictions={"b": [[0]]})
    with pytest.raises(BddsegError, match="different frames"):
        compare_evaluations(evaluate(*one), evaluate(*two))


def test_the_interval_of_one_evaluation_holds_its_headline_and_narrows_with_agreement() -> None:
    evaluation = make_evaluation(0.1, 1)
    intervals = estimate_intervals(evaluation)
    assert set(intervals) == set(evaluation.headlines)
    for key, interval in intervals.items():
        assert interval.value == pytest.approx(evaluation.headlines[key])
        assert interval.low < interval.value < interval.high
    same = Evaluation(task=TASK, frames=evaluation.frames[:1] * 60)
    for interval in estimate_intervals(same).values():
        assert interval.high - interval.low < 1e-9

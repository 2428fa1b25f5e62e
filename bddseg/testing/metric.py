"""Contracts of a metric class.

Each is a function of the class: `contract(MyMetric)`; METRIC_CONTRACTS has all of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bddseg.metrics.metric import FramePair, Metric, Scores, compute_headlines
from bddseg.tasks.task import IGNORE_INDEX, Task, get_task
from bddseg.testing.check import check

_TASKS = ("drivable", "drivable_binary", "sem_seg")
_SIZES_HW = ((24, 32), (17, 40), (1, 9))


def supports_a_task(metric: type[Metric]) -> None:
    """`supports` returns True or False for each task of BDD100K, and True for at least one."""
    answers = [metric.supports(get_task(name)) for name in _TASKS]
    check(all(isinstance(answer, bool) for answer in answers), f"supports returned {answers}")
    check(any(answers), f"supports returned False for {', '.join(_TASKS)}")


def starts_with_zero_counts(metric: type[Metric]) -> None:
    """A new metric has int64 counts that are all 0, in an array of its own."""
    for task in _list_tasks(metric):
        counts, others = metric(task).counts, metric(task).counts
        check(counts.dtype == np.int64, f"counts are {counts.dtype}, not int64")
        check(not counts.any(), "the counts of a new metric are not 0")
        check(not np.shares_memory(counts, others), "two metrics share one array of counts")


def adds_up_over_frames(metric: type[Metric]) -> None:
    """`update` with several frames, and `merge` of metrics of one frame each, count the same."""
    for task in _list_tasks(metric):
        together, merged = metric(task), metric(task)
        for pair in _make_pairs(task):
            together.update(pair)
            single = metric(task)
            single.update(pair)
            before = single.counts.copy()
            merged.merge(single)
            check(np.array_equal(single.counts, before), "merge changes the other metric")
        check(together.counts.dtype == np.int64, "update changes the type of the counts")
        check(np.array_equal(together.counts, merged.counts), "merge and update count differently")
        _expect_equal(together.compute(), merged.compute(), "merge and update score differently")


def is_computed_from_counts(metric: type[Metric]) -> None:
    """A metric whose `counts` are assigned has the scores of these counts."""
    for task in _list_tasks(metric):
        counted, assigned = metric(task), metric(task)
        for pair in _make_pairs(task):
            counted.update(pair)
        assigned.counts = counted.counts.copy()
        scores = counted.compute()
        _expect_equal(scores, assigned.compute(), "scores depend on more than the counts")
        _expect_equal(scores, counted.compute(), "a second compute gives other scores")


def leaves_label_maps_unchanged(metric: type[Metric]) -> None:
    """`update` changes neither the label maps nor the confusion matrix of a pair."""
    for task in _list_tasks(metric):
        for pair in _make_pairs(task):
            arrays: list[npt.NDArray[Any]] = [pair.ground_truth, pair.prediction, pair.confusion]
            before = [array.copy() for array in arrays]
            metric(task).update(pair)
            unchanged = all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
            check(unchanged, "update changes the label maps or the confusion matrix")


def describes_its_scores(metric: type[Metric]) -> None:
    """Each column, overall number and headline of `table` is in the scores, also of no frames."""
    for task in _list_tasks(metric):
        made = metric(task)
        for scores in (made.compute(), _score(made, task)):
            table = made.table
            check(bool(table.headlines), "table has no headlines")
            for name, row in scores["classes"].items():
                lacking = set(table.columns) - set(row)
                check(not lacking, f"the class {name} lacks the columns {sorted(lacking)}")
            lacking = set(table.overall) - set(scores["overall"])
            check(not lacking, f"overall lacks {sorted(lacking)}")
            numbers = compute_headlines({"metric": made}).values()
            check(all(isinstance(each, float) for each in numbers), "a headline is no float")


METRIC_CONTRACTS: tuple[Callable[[type[Metric]], None], ...] = (
    supports_a_task,
    starts_with_zero_counts,
    adds_up_over_frames,
    is_computed_from_counts,
    leaves_label_maps_unchanged,
    describes_its_scores,
)


def _list_tasks(metric: type[Metric]) -> Iterator[Task]:
    for name in _TASKS:
        if metric.supports(get_task(name)):
            yield get_task(name)


def _make_pairs(task: Task) -> Iterator[FramePair]:
    """Yield the same random pairs at each call, the last one with a missing prediction."""
    generator = np.random.default_rng(0)
    ids = np.array([*range(task.num_classes), IGNORE_INDEX], np.uint8)
    for size_hw in _SIZES_HW:
        ground_truth, prediction = generator.choice(ids, (2, *size_hw))
        yield FramePair(ground_truth, prediction, task)
    yield FramePair(ground_truth, np.full_like(ground_truth, task.num_classes), task)


def _score(metric: Metric, task: Task) -> Scores:
    for pair in _make_pairs(task):
        metric.update(pair)
    return metric.compute()


def _expect_equal(scores: Scores, expected: Scores, otherwise: str) -> None:
    # repr, because NaN equals NaN there.
    check(repr(scores) == repr(expected), f"{otherwise}: {scores} and {expected}")

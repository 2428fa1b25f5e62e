"""What a metric is, and finding one by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import getitem
from typing import Any, Protocol, Self, TypedDict, cast

import numpy as np

from bddseg.metrics.confusion import Counts, count_pixels
from bddseg.registry import Registry, require_class
from bddseg.tasks.task import Task
from bddseg.types import LabelMap


@dataclass(frozen=True)
class FramePair:
    """The ground truth and the prediction of one frame.

    Attributes:
        ground_truth: Class ids, (H, W), uint8; other ids are unlabeled pixels.
        prediction: Class ids, likewise; an id outside the classes counts as wrong.
        task: Task of both.
    """

    ground_truth: LabelMap
    prediction: LabelMap
    task: Task

    @cached_property
    def confusion(self) -> Counts:
        """The confusion matrix (K + 1, K + 1), counted once for all metrics; do not change it."""
        return count_pixels(self.ground_truth, self.prediction, self.task.num_classes + 1)


class Scores(TypedDict):
    """What a metric computes, in percent; NaN where there is nothing to divide by.

    Attributes:
        classes: Numbers of each class, by column.
        mean: Mean over classes, by column; it may lack columns.
        overall: Numbers that are not of a class.
    """

    classes: dict[str, dict[str, float]]
    mean: dict[str, float]
    overall: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A number that stands for a result: in comparisons, by condition and for each frame.

    Attributes:
        key: Key; after the metric's name it is a column of CSV and a key of JSON ("official_miou").
        heading: Heading; tables show it after the metric's name ("official mIoU").
        path: Where the number is in `Scores`, such as ("mean", "iou").
    """

    key: str
    heading: str
    path: tuple[str, ...]


def name_mean(quantity: str, task: Task) -> str:
    """Return the name of a mean over a task's classes but the background, such as "mIoU"."""
    return quantity if task.background is None else f"{quantity} without background"


def make_miou(task: Task) -> Headline:
    """Return the headline of the mean IoU over a task's classes but the background."""
    heading = name_mean("mIoU", task)
    return Headline(key=heading.lower().replace(" ", "_"), heading=heading, path=("mean", "iou"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTable:
    """How the scores of a metric are shown.

    Attributes:
        title: One sentence above the table.
        columns: Headings of the columns of `classes` and `mean`, by key.
        mean_label: Which mean `mean` is: the row's name, and the key in JSON and CSV ("mean without
            background", "mean_without_background").
        overall: Headings of the numbers of `overall`, by key.
        headlines: The numbers that stand for a result.
        notes: Sentences below the table.
        parameters: What the numbers depend on, by name, such as a width.
    """

    title: str
    columns: Mapping[str, str]
    mean_label: str = "mean"
    overall: Mapping[str, str] = field(default_factory=dict)
    headlines: tuple[Headline, ...]
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


class Metric(Protocol):
    """A metric of a task, made by `Metric(task)`, with the counts of the frames that it was given.

    Its state is one array of counts that add up over frames, so that scores of any group of frames
    come from summed counts. `supports` and `merge` are inherited where a class names this as its
    base.

    Attributes:
        counts: int64, of one shape for each task; zeros at first. Assigning it replaces the state.
    """

    counts: Counts

    def __init__(self, task: Task) -> None: ...

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return whether the metric has a meaning for a task: by default, for every one."""
        del task
        return True

    @property
    def table(self) -> MetricTable:
        """How the scores are shown."""
        ...

    def update(self, pair: FramePair) -> None:
        """Add the counts of a frame."""
        ...

    def merge(self, other: Self) -> None:
        """Add the counts of another metric of the same class and task."""
        self.counts += other.counts

    def compute(self) -> Scores:
        """Return the scores of all frames so far."""
        ...


class ConfusionMetric(Metric):
    """A base class for metrics that are computed from the confusion matrix.

    Attributes:
        task: Task.
        counts: Confusion matrix (K + 1, K + 1), ground truth by prediction.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.counts = np.zeros((task.num_classes + 1, task.num_classes + 1), np.int64)

    def update(self, pair: FramePair) -> None:
        """Add the confusion matrix of a frame."""
        self.counts += pair.confusion


def name_scores(metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """Return the scores of metrics as JSON and CSV have them: the mean's key says which it is.

    Args:
        metrics: Metrics by name.
    """
    named: dict[str, dict[str, Any]] = {}
    for name, metric in metrics.items():
        names = {"mean": metric.table.mean_label.replace(" ", "_")}
        named[name] = {names.get(key, key): each for key, each in metric.compute().items()}
    return named


def compute_headlines(metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Return the headlines of metrics by key, such as "official_miou".

    Args:
        metrics: Metrics by name.
    """
    headlines: dict[str, float] = {}
    for name, metric in metrics.items():
        scores = metric.compute()
        for headline in metric.table.headlines:
            number = reduce(getitem, headline.path, cast(Any, scores))
            headlines[f"{name}_{headline.key}"] = float(number)
    return headlines


METRICS: Registry[type[Metric]] = Registry(
    "bddseg.metrics",
    "metric",
    check=require_class("supports", "table", "update", "merge", "compute"),
)

"""Several metrics of one task, counted together."""

from collections.abc import Iterable, Sequence
from typing import Self

from bddseg.errors import BddsegError
from bddseg.metrics.metric import METRICS, FramePair, Metric, Scores, get_number
from bddseg.tasks.task import Task

# Computed always, binary only where the task has a background.
DEFAULT_METRICS = ("official", "standard", "binary")


class MetricCollection:
    """Metrics of the same frames.

    Args:
        task: Task.
        names: Names of the metrics.

    Attributes:
        task: Task.
        metrics: Metrics by name.
    """

    def __init__(self, task: Task, names: Iterable[str]) -> None:
        self.task = task
        self.metrics: dict[str, Metric] = {name: METRICS.load(name)(task) for name in names}

    def update(self, pair: FramePair) -> None:
        """Add a frame to every metric."""
        for metric in self.metrics.values():
            metric.update(pair)

    def merge(self, other: Self) -> None:
        """Add the frames of another collection of the same metrics."""
        for name, metric in self.metrics.items():
            metric.merge(other.metrics[name])

    def compute(self) -> dict[str, Scores]:
        """Return the scores of each metric, by name."""
        return {name: metric.compute() for name, metric in self.metrics.items()}

    def compute_headlines(self) -> dict[str, float]:
        """Return the headlines of all metrics, by key, such as "official_miou"."""
        numbers: dict[str, float] = {}
        for name, metric in self.metrics.items():
            numbers |= compute_headlines(name, metric)
        return numbers

    @property
    def headings(self) -> dict[str, str]:
        """The headings of the headlines, by key."""
        return {
            f"{name}_{headline.key}": f"{name} {headline.heading}"
            for name, metric in self.metrics.items()
            for headline in metric.table.headlines
        }


def compute_headlines(name: str, metric: Metric) -> dict[str, float]:
    """Return the headlines of one metric, by key.

    Args:
        name: Name of the metric.
        metric: The metric.
    """
    scores = metric.compute()
    return {
        f"{name}_{headline.key}": get_number(scores, headline.path)
        for headline in metric.table.headlines
    }


def choose_metrics(task: Task, further: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the default metrics and of further ones, each once.

    Raises:
        BddsegError: there is no such metric, or it does not support the task.
    """
    for name in further:
        if not METRICS.load(name).supports(task):
            raise BddsegError(
                f"The metric '{name}' does not support the task {task.name}.",
                "Choose another metric or another task.",
            )
    defaults = [name for name in DEFAULT_METRICS if METRICS.load(name).supports(task)]
    return tuple(dict.fromkeys([*defaults, *further]))

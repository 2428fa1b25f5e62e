"""What an evaluation found, of each frame and of all."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bddseg.metrics.collection import MetricCollection
from bddseg.metrics.confusion import UNLABELED, Counts
from bddseg.metrics.metric import Scores
from bddseg.progress import pluralize
from bddseg.tasks.task import Task

# Points of mean IoU between the official and the standard score above which there is a warning.
_NOTABLE_GAP = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """What one frame contributes.

    Attributes:
        name: Path of the frame's ground truth below its source, without the suffix.
        is_missing: Whether there is no prediction; all its pixels count as wrong.
        confusion: Confusion matrix (K + 1, K + 1), ground truth by prediction.
        metrics: Metrics of this frame alone.
    """

    name: str
    is_missing: bool
    confusion: Counts
    metrics: MetricCollection


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation:
    """The scores of predictions: `evaluation["official"]["mean"]["iou"]`, in percent.

    Attributes:
        task: Task.
        frames: Results of each frame, in the order of the ground truth.
        extra: Names of predictions without ground truth; they are ignored.
        metrics: Metrics of all frames.
    """

    task: Task
    frames: tuple[FrameResult, ...]
    extra: tuple[str, ...]
    metrics: MetricCollection

    def __getitem__(self, metric: str) -> Scores:
        return self.scores[metric]

    def __repr__(self) -> str:
        numbers = ", ".join(
            f"{heading} {self.headlines[key]:.2f}" for key, heading in self.metrics.headings.items()
        )
        frames = pluralize(len(self.frames), "frame")
        return f"<Evaluation of {frames}, task {self.task.name}: {numbers}>"

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """The scores of each metric, by its name."""
        return self.metrics.compute()

    @cached_property
    def headlines(self) -> dict[str, float]:
        """The numbers that stand for the result, such as "official_miou", in percent."""
        return self.metrics.compute_headlines()

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of frames without a prediction; all their pixels count as wrong."""
        return tuple(frame.name for frame in self.frames if frame.is_missing)

    @cached_property
    def confusion(self) -> Counts:
        """Confusion matrix (K + 1, K + 1) of all frames, ground truth by prediction."""
        counts: Counts = np.sum([frame.confusion for frame in self.frames], axis=0)
        return counts

    @property
    def warnings(self) -> list[str]:
        """What can be misleading about the scores, in sentences."""
        missing, extra = len(self.missing), len(self.extra)
        sentences = [
            self._describe_gap(),
            f"{pluralize(missing, 'frame')} without a prediction: all pixels count as wrong."
            if missing
            else "",
            f"{pluralize(extra, 'prediction')} without ground truth: ignored." if extra else "",
        ]
        return [sentence for sentence in sentences if sentence]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, without the frames.

        The rows of `confusion.counts` are the ground truth, its columns the predictions.
        """
        return {
            "task": self.task.name,
            "frames": len(self.frames),
            "missing": list(self.missing),
            "extra": list(self.extra),
            "headlines": self.headlines,
            "scores": self.scores,
            "confusion": {
                "classes": [*self.task.classes, UNLABELED],
                "counts": self.confusion.tolist(),
            },
        }

    def _describe_gap(self) -> str:
        gap = self.headlines["official_miou"] - self.headlines["standard_miou"]
        if not abs(gap) > _NOTABLE_GAP:
            return ""
        return (
            f"The official mIoU is {abs(gap):.1f} points {'above' if gap > 0 else 'below'} the "
            "standard mIoU: it ignores errors on the background. Rely on the standard mIoU."
        )

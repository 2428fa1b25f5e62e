"""What an evaluation found, of each frame and of all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bddseg.metrics.confusion import UNLABELED, Counts
from bddseg.metrics.metric import Metric, Scores, compute_headlines, name_mean, name_scores
from bddseg.progress import pluralize
from bddseg.tasks.task import Task

# Points of mean IoU between the official and the standard score above which there is a warning. The
# official score ignores false positives on the background, so that good models differ by 5 to 12
# points. On 200 validation frames: SwiftNet 6.6, TwinLiteNet 6.7, ESPNetv2 8.2, as drivable or not
# 10.4; a mask that is drivable everywhere, 80.
_NOTABLE_GAP = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """What one frame contributes.

    Attributes:
        name: Path of the frame's ground truth below its source, without the suffix.
        is_missing: Whether there is no prediction; all its pixels count as wrong.
        metrics: Metrics of this frame alone, by name; "standard" is always there.
    """

    name: str
    is_missing: bool
    metrics: dict[str, Metric]


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation:
    """The scores of predictions: `evaluation["official"]["mean"]["iou"]`, in percent.

    Attributes:
        task: Task.
        frames: Results of each frame, at least one, in the order of the ground truth.
        extra: Names of predictions without ground truth; they are ignored.
        notes: How labels were mapped, and why masks may be of another task or encoding, in
            sentences.
        provenance: How the scores were computed; see `describe_provenance`.
    """

    task: Task
    frames: tuple[FrameResult, ...]
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, metric: str) -> Scores:
        return self.scores[metric]

    def __repr__(self) -> str:
        numbers = ", ".join(
            f"{heading} {self.headlines[key]:.2f}" for key, heading in self.headings.items()
        )
        frames = pluralize(len(self.frames), "frame")
        warnings = f". {' '.join(self.warnings)}" if self.warnings else ""
        return f"<Evaluation of {frames}, task {self.task.name}: {numbers}{warnings}>"

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Metrics of all frames, by name."""
        metrics = {name: type(each)(self.task) for name, each in self.frames[0].metrics.items()}
        for frame in self.frames:
            for name, metric in metrics.items():
                metric.merge(frame.metrics[name])
        return metrics

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """The scores of each metric, by its name."""
        return {name: metric.compute() for name, metric in self.metrics.items()}

    @cached_property
    def headlines(self) -> dict[str, float]:
        """The numbers that stand for the result, such as "official_miou", in percent."""
        return compute_headlines(self.metrics)

    @property
    def headings(self) -> dict[str, str]:
        """The headings of the headlines, by key."""
        return {
            f"{name}_{headline.key}": f"{name} {headline.heading}"
            for name, metric in self.metrics.items()
            for headline in metric.table.headlines
        }

    @property
    def rank_key(self) -> str:
        """The headline by which frames and conditions are sorted, the worst first.

        With the background, also frames without any foreground have a score.
        """
        name = "miou" if self.task.background is None else "miou_with_background"
        return f"standard_{name}"

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of frames without a prediction; all their pixels count as wrong."""
        return tuple(frame.name for frame in self.frames if frame.is_missing)

    @property
    def confusion(self) -> Counts:
        """Confusion matrix (K + 1, K + 1) of all frames, ground truth by prediction."""
        return self.metrics["standard"].counts

    @property
    def warnings(self) -> list[str]:
        """What can be misleading about the scores, in sentences."""
        sentences = list(self.notes)
        gap = self["official"]["mean"]["iou"] - self["standard"]["mean"]["iou"]
        if abs(gap) > _NOTABLE_GAP:
            side = "above" if gap > 0 else "below"
            sentences.append(
                f"The official mIoU is {abs(gap):.1f} points {side} the standard "
                f"{name_mean('mIoU', self.task)}: it ignores false positives on the background, "
                "which are many. Rely on the standard score."
            )
        if self.missing:
            frames = pluralize(len(self.missing), "frame")
            sentences.append(f"{frames} without a prediction: all pixels count as wrong.")
        if self.extra:
            predictions = pluralize(len(self.extra), "prediction")
            sentences.append(f"{predictions} without ground truth: ignored.")
        return sentences

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, without the frames.

        The rows of `confusion.counts` are the ground truth, its columns the predictions.
        """
        return {
            "task": self.task.name,
            "frames": len(self.frames),
            "missing": list(self.missing),
            "extra": list(self.extra),
            "warnings": self.warnings,
            "provenance": dict(self.provenance),
            "headlines": self.headlines,
            "scores": name_scores(self.metrics),
            "confusion": {
                "classes": [*self.task.classes, UNLABELED],
                "counts": self.confusion.tolist(),
            },
        }


def list_warnings(results: Sequence[Path], evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the warnings of evaluations, each with its result if they differ.

    Args:
        results: Where the predictions of each evaluation are.
        evaluations: The evaluations.
    """
    warnings = [each.warnings for each in evaluations]
    shared = [text for text in warnings[0] if all(text in each for each in warnings)]
    return shared + [
        text if str(path) in text else f"{path}: {text}"
        for path, texts in zip(results, warnings, strict=True)
        for text in texts
        if text not in shared
    ]


def order_worst_first(score: float) -> tuple[bool, float]:
    """Return a sort key: low scores come first, and NaN last."""
    return math.isnan(score), score

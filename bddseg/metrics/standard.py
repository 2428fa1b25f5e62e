"""The standard score, in which every labeled pixel counts, and that of "drivable or not"."""

import numpy as np

from bddseg.metrics.confusion import Counts
from bddseg.metrics.metric import (
    ConfusionMetric,
    Headline,
    MetricTable,
    Scores,
    make_miou,
    name_mean,
)
from bddseg.metrics.ratios import divide, mean_percent, name_percents
from bddseg.tasks.task import Task, get_task

_COLUMNS = {"iou": "IoU", "precision": "precision", "recall": "recall", "f1": "F1"}
_OVERALL = {"miou_with_background": "mIoU with background", "pixel_acc": "pixel accuracy"}
_MIOU_WITH_BACKGROUND = Headline(
    key="miou_with_background",
    heading="mIoU with background",
    path=("overall", "miou_with_background"),
)


class StandardMetric(ConfusionMetric):
    """The standard score of a task."""

    @property
    def table(self) -> MetricTable:
        """How the scores are shown."""
        has_background = self.task.background is not None
        end = ", those of the background too." if has_background else "."
        return MetricTable(
            title=f"Standard score: all labeled pixels count{end}",
            columns=_COLUMNS,
            mean_label=name_mean("mean", self.task),
            overall=_OVERALL if has_background else {"pixel_acc": _OVERALL["pixel_acc"]},
            headlines=(make_miou(self.task), _MIOU_WITH_BACKGROUND)[: 1 + has_background],
            notes=("Means are over the classes that occur in the ground truth or a prediction.",),
        )

    def compute(self) -> Scores:
        """Return the standard score."""
        return compute_standard_score(self.counts, self.task)


class BinaryMetric(ConfusionMetric):
    """The standard score with all classes but the background as one.

    The YOLOP family reports it (Wu et al., 2021, arXiv 2108.11250).
    """

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return whether the task has a background."""
        return task.background is not None

    @property
    def table(self) -> MetricTable:
        """How the scores are shown."""
        return MetricTable(
            title="Binary score: the standard score of drivable or not.",
            columns=_COLUMNS,
            overall=_OVERALL,
            headlines=(Headline(key="iou", heading="IoU", path=("classes", "drivable", "iou")),),
        )

    def compute(self) -> Scores:
        """Return the standard score of the joined classes; the mean would be drivable's alone."""
        scores = compute_standard_score(join_foreground(self.counts), get_task("drivable_binary"))
        return {**scores, "mean": {}}


def compute_standard_score(counts: Counts, task: Task) -> Scores:
    """Return the standard score of a confusion matrix: false positives on the background cost.

    Unlabeled pixels of the ground truth are ignored; predictions outside all classes are wrong.
    Columns and numbers:

    - iou: TP / (TP + FP + FN). Its mean is over the classes, without the background, that occur in
      the ground truth or the prediction.
    - precision, recall, f1: As usual.
    - miou_with_background: The mean over all classes that occur, if the task has a background.
    - pixel_acc: Share of the labeled pixels that are correct.

    Args:
        counts: (K + 1, K + 1), ground truth by prediction; see `bddseg.metrics.confusion`.
        task: Task of the K classes.
    """
    labeled = counts[:-1]
    correct = np.diag(labeled)
    true_pixels, predicted_pixels = labeled.sum(axis=1), labeled[:, :-1].sum(axis=0)
    union = true_pixels + predicted_pixels - correct
    ratios = {
        "iou": divide(correct, union),
        "precision": divide(correct, predicted_pixels),
        "recall": divide(correct, true_pixels),
        "f1": divide(2 * correct, true_pixels + predicted_pixels),
    }
    iou, occurs = ratios["iou"], union > 0
    foreground = slice(len(task.foreground))
    overall = {"pixel_acc": float(100 * divide(correct.sum(), true_pixels.sum()))}
    if task.background is not None:
        overall["miou_with_background"] = mean_percent(iou[occurs])
    return {
        "classes": name_percents(task.classes, ratios),
        "mean": {"iou": mean_percent(iou[foreground][occurs[foreground]])},
        "overall": overall,
    }


def join_foreground(counts: Counts) -> Counts:
    """Return the confusion matrix (3, 3) of foreground, background and unlabeled pixels."""
    starts = [0, len(counts) - 2, len(counts) - 1]
    joined: Counts = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    return joined

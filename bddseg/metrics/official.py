"""The official score: every number as bdd100k 1.0.1 computes it, oddities too (eval/seg.py)."""

from typing import Any

import numpy as np

from bddseg.metrics.confusion import Counts, join_background
from bddseg.metrics.metric import ConfusionMetric, Headline, MetricTable, Scores, name_mean
from bddseg.metrics.ratios import divide, mean_percent, name_percents
from bddseg.tasks.task import Task


class OfficialMetric(ConfusionMetric):
    """The official score of a task."""

    @property
    def table(self) -> MetricTable:
        """How the scores are shown."""
        ignored = "unlabeled pixels are" if self.task.background is None else "the background is"
        notes = [
            "The mean is over the classes that occur in the ground truth. Acc is the official word "
            "for precision."
        ]
        if self.task.background is not None:
            notes.append(
                "False positives on the background do not count: on BDD100K, the mean of good "
                "models is 5 to 12 points above that of the standard score."
            )
        return MetricTable(
            title=f"Official score: {ignored} ignored in the ground truth.",
            columns={"iou": "IoU", "acc": "Acc"},
            mean_label=name_mean("mean", self.task),
            overall={"pixel_acc": "pAcc", "frequency_weighted_iou": "fIoU"},
            headlines=(Headline(key="miou", heading="mIoU", path=("mean", "iou")),),
            notes=tuple(notes),
        )

    def compute(self) -> Scores:
        """Return the official score."""
        return compute_official_score(self.counts, self.task)


def compute_official_score(counts: Counts, task: Task) -> Scores:
    """Return the official score of a confusion matrix.

    Ground truth pixels of the background are dropped, so false positives there cost nothing. A
    class that occurs nowhere has an IoU of 0 and is not in the mean. Columns and numbers:

    - iou: Intersection over union.
    - acc: Correct pixels over pixels *predicted* as the class, which is precision.
    - frequency_weighted_iou: IoU weighted by each class's share of the ground truth.
    - pixel_acc: Share of the ground truth pixels that are correct.

    Args:
        counts: (K + 1, K + 1), ground truth by prediction; see `bddseg.metrics.confusion`.
        task: Task of the K classes.
    """
    kept = counts.copy() if task.background is None else join_background(counts)
    kept[-1] = 0
    correct = np.diag(kept)[:-1]
    true_pixels = kept.sum(axis=1)[:-1]
    predicted_pixels = kept.sum(axis=0)[:-1]
    iou = divide(correct, true_pixels + predicted_pixels - correct, empty=0)
    acc = divide(correct, predicted_pixels, empty=0)
    occurs = true_pixels > 0
    total = true_pixels.sum()
    return {
        "classes": name_percents(task.foreground, {"iou": iou, "acc": acc}),
        "mean": {"iou": mean_percent(iou[occurs]), "acc": mean_percent(acc[occurs])},
        "overall": {
            "pixel_acc": float(100 * divide(correct, total).sum()),
            "frequency_weighted_iou": float(100 * (iou * divide(true_pixels, total)).sum()),
        },
    }


def format_official(scores: Scores) -> dict[str, Any]:
    """Return an official score with the keys and the structure of the official result file."""
    columns = {
        heading: [
            {name: numbers[key] for name, numbers in scores["classes"].items()},
            {"AVERAGE": scores["mean"][key]},
        ]
        for heading, key in (("IoU", "iou"), ("Acc", "acc"))
    }
    overall = scores["overall"]
    return columns | {"fIoU": overall["frequency_weighted_iou"], "pAcc": overall["pixel_acc"]}

"""Boundary IoU: how well the edges of classes agree (Cheng et al., CVPR 2021, arXiv 2103.16562).

IoU hardly depends on the edges of large areas. Here only pixels count that lie inside their class
and within a distance d of its contour: |G_d and P_d| / |G_d or P_d|, with d of 2 % of the diagonal
(29 pixels at 1280x720), as in the paper and its code.
"""

import math

import cv2
import numpy as np

from bddseg.metrics.confusion import Counts
from bddseg.metrics.metric import (
    FramePair,
    Metric,
    MetricTable,
    Scores,
    make_miou,
    name_mean,
)
from bddseg.metrics.ratios import divide, mean_percent, name_percents
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import BinaryMask, LabelMap

_DISTANCE = 0.02
_WIDTH = f"{100 * _DISTANCE:.0f} % of the diagonal"


class BoundaryMetric(Metric):
    """Boundary IoU of each class of a task.

    Attributes:
        task: Task.
        counts: [class, (pixels in both bands, pixels in either)], (K, 2).
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.counts = np.zeros((task.num_classes, 2), np.int64)

    @property
    def table(self) -> MetricTable:
        """How the scores are shown."""
        return MetricTable(
            title=f"Boundary score: only pixels near the edges of classes count ({_WIDTH}).",
            columns={"iou": "boundary IoU"},
            mean_label=name_mean("mean", self.task),
            headlines=(make_miou(self.task),),
            parameters={"width": _WIDTH, "source": "Cheng et al., Boundary IoU, CVPR 2021"},
        )

    def update(self, pair: FramePair) -> None:
        """Add the counts of a frame."""
        self.counts += count_boundary(pair.ground_truth, pair.prediction, self.task.num_classes)

    def compute(self) -> Scores:
        """Return the boundary IoU of each class, and the mean over those that occur."""
        iou = divide(self.counts[:, 0], self.counts[:, 1])
        foreground = iou[: len(self.task.foreground)]
        return {
            "classes": name_percents(self.task.classes, {"iou": iou}),
            "mean": {"iou": mean_percent(foreground[~np.isnan(foreground)])},
            "overall": {},
        }


def count_boundary(ground_truth: LabelMap, prediction: LabelMap, num_classes: int) -> Counts:
    """Return the counts (num_classes, 2) of two label maps of one size.

    Unlabeled pixels of the ground truth are in neither band.
    """
    distance = max(1, round(_DISTANCE * math.hypot(*ground_truth.shape)))
    labeled = ground_truth != IGNORE_INDEX
    counts = np.zeros((num_classes, 2), np.int64)
    for class_id in range(num_classes):
        actual, predicted = (
            _find_band(labels == class_id, distance) & labeled
            for labels in (ground_truth, prediction)
        )
        both, either = actual & predicted, actual | predicted
        counts[class_id] = np.count_nonzero(both), np.count_nonzero(either)
    return counts


def _find_band(mask: BinaryMask, distance: int) -> BinaryMask:
    """Return a mask's pixels within `distance` of its contour; the image's edge is one too."""
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    inner = cv2.erode(mask.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    band: BinaryMask = mask & (inner == 0)
    return band

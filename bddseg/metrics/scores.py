"""The official score, with the oddities of the official evaluator (bdd100k 1.0.1, eval/seg.py)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bddseg.metrics.confusion import Counts

# The key of the official result file under which means stand.
AVERAGE = "AVERAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialScore:
    """What the official evaluator reports, in percent.

    Attributes:
        iou: intersection over union of each scored class. 0 if the class occurs nowhere.
        acc: what the evaluator calls accuracy: correct pixels over pixels *given* the class, which
            is precision.
        mean_iou: over the classes that occur in the truth; NaN if none does.
        mean_acc: likewise.
        frequency_weighted_iou: IoU weighted by each class's share of the truth.
        pixel_acc: share of scored truth pixels that are right.
    """

    iou: dict[str, float]
    acc: dict[str, float]
    mean_iou: float
    mean_acc: float
    frequency_weighted_iou: float
    pixel_acc: float

    def to_official(self) -> dict[str, Any]:
        """Return the score with the keys and the structure of the official result file."""
        return {
            "IoU": [self.iou, {AVERAGE: self.mean_iou}],
            "Acc": [self.acc, {AVERAGE: self.mean_acc}],
            "fIoU": self.frequency_weighted_iou,
            "pAcc": self.pixel_acc,
        }


def compute_official_score(counts: Counts, classes: tuple[str, ...]) -> OfficialScore:
    """Return the official score from counts summed over all frames.

    Truth pixels of the last row (background, or "ignored") are dropped, so what was wrongly found
    there costs nothing.

    Args:
        counts: (C + 1, C + 1), truth by result, for C scored classes.
        classes: the names of the scored classes.
    """
    kept = counts.copy()
    kept[-1] = 0
    correct = np.diag(kept)[:-1]
    truth_totals = kept.sum(axis=1)[:-1]
    result_totals = kept.sum(axis=0)[:-1]
    iou = _divide(correct, truth_totals + result_totals - correct)
    acc = _divide(correct, result_totals)
    occurs = truth_totals > 0
    total = truth_totals.sum()
    return OfficialScore(
        iou=_name_percents(classes, iou),
        acc=_name_percents(classes, acc),
        mean_iou=_mean_percent(iou[occurs]),
        mean_acc=_mean_percent(acc[occurs]),
        frequency_weighted_iou=_sum_percent(iou * _divide(truth_totals, total, empty=np.nan)),
        pixel_acc=_sum_percent(_divide(correct, total, empty=np.nan)),
    )


Floats = npt.NDArray[np.float64]


def _divide(part: Counts, whole: Counts | np.int64, empty: float = 0.0) -> Floats:
    """Return part / whole, and `empty` where the whole is 0."""
    result = np.full(part.shape, empty)
    np.divide(part, whole, out=result, where=np.broadcast_to(np.asarray(whole) > 0, part.shape))
    return result


def _name_percents(classes: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {name: float(100 * value) for name, value in zip(classes, values, strict=True)}


def _mean_percent(values: Floats) -> float:
    return float(100 * values.mean()) if values.size else float("nan")


def _sum_percent(values: Floats) -> float:
    return float(100 * values.sum())

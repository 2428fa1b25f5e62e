"""Scores from counts of pixels: the official one, and the plain ones that it hides.

The official score has the oddities of the official evaluator (bdd100k 1.0.1, eval/seg.py).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bddseg.metrics.confusion import Counts, join_background
from bddseg.tasks import Task, get_task

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """What one class came to, in percent; NaN where there is nothing to divide by.

    Attributes:
        iou: right pixels over those that are of the class, were given it, or both.
        precision: right pixels over those given the class.
        recall: right pixels over those of the class.
        f1: harmonic mean of precision and recall.
        truth_pixels: how many are of the class.
    """

    iou: float
    precision: float
    recall: float
    f1: float
    truth_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainScore:
    """A score in which all known truth pixels count, those of the background too.

    Attributes:
        classes: the score of each class, the background's too.
        mean_iou: over the classes that occur in the truth or the result, without the background.
        mean_iou_all: likewise, with the background.
        pixel_acc: share of known truth pixels that are right.
    """

    classes: dict[str, ClassScore]
    mean_iou: float
    mean_iou_all: float
    pixel_acc: float


def compute_score(counts: Counts, task: Task) -> OfficialScore:
    """Return the official score of a task from counts summed over all frames.

    Args:
        counts: (K + 1, K + 1), truth by result, for the task's K classes and what is outside them.
        task: whose classes they are.
    """
    kept = counts if task.background is None else join_background(counts)
    return compute_official_score(kept, task.scored_classes)


def compute_plain_score(counts: Counts, task: Task) -> PlainScore:
    """Return the score in which false positives on the background cost what they should.

    Truth pixels outside all classes (255) are left out; result pixels outside them are wrong.

    Args:
        counts: (K + 1, K + 1), truth by result, for the task's K classes and what is outside them.
        task: whose classes they are.
    """
    known = counts[:-1]
    correct = np.diag(known)
    truth, result = known.sum(axis=1), known[:, :-1].sum(axis=0)
    union = truth + result - correct
    iou = _divide(correct, union, empty=np.nan)
    precision = _divide(correct, result, empty=np.nan)
    recall = _divide(correct, truth, empty=np.nan)
    f1 = _divide(2 * correct, truth + result, empty=np.nan)
    occurs = union > 0
    scored = occurs & np.array([name in task.scored_classes for name in task.classes])
    return PlainScore(
        classes={
            name: ClassScore(
                iou=float(100 * iou[number]),
                precision=float(100 * precision[number]),
                recall=float(100 * recall[number]),
                f1=float(100 * f1[number]),
                truth_pixels=int(truth[number]),
            )
            for number, name in enumerate(task.classes)
        },
        mean_iou=_mean_percent(iou[scored]),
        mean_iou_all=_mean_percent(iou[occurs]),
        pixel_acc=float(100 * correct.sum() / truth.sum()) if truth.sum() else float("nan"),
    )


def compute_binary_score(counts: Counts, task: Task) -> PlainScore | None:
    """Return the score of "drivable or not", which the YOLOP family reports.

    All classes but the background become one. None if the task has no background.

    Args:
        counts: (K + 1, K + 1), truth by result, for the task's K classes and what is outside them.
        task: whose classes they are.
    """
    if task.background is None:
        return None
    groups = [range(len(task.classes) - 1), [len(task.classes) - 1], [len(task.classes)]]
    binary = np.array(
        [[counts[np.ix_(rows, columns)].sum() for columns in groups] for rows in groups], np.int64
    )
    return compute_plain_score(binary, get_task("drivable_binary"))


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

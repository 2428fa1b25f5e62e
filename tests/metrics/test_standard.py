import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bddseg.metrics.confusion import count_pixels
from bddseg.metrics.metric import FramePair
from bddseg.metrics.official import compute_official_score
from bddseg.metrics.standard import BinaryMetric, compute_standard_score
from bddseg.tasks.task import get_task

DRIVABLE = get_task("drivable")
IDS = st.sampled_from([0, 1, 2, 3, 200, 255])
MAPS = arrays(np.uint8, (2, 9, 11), elements=IDS)

Maps = npt.NDArray[np.uint8]


def divide(part: float, whole: float) -> float:
    return 100 * part / whole if whole else float("nan")


@settings(deadline=None, max_examples=60)
@given(MAPS)
def test_the_standard_score_equals_that_of_masks_class_by_class(maps: Maps) -> None:
    ground_truth, prediction = maps
    counts = count_pixels(ground_truth, prediction, 4)
    score = compute_standard_score(counts, DRIVABLE)
    labeled = ground_truth < 3
    ious = []
    for class_id, name in enumerate(DRIVABLE.classes):
        is_true, is_predicted = (
            (ground_truth == class_id) & labeled,
            (prediction == class_id) & labeled,
        )
        correct = (is_true & is_predicted).sum()
        numbers = score["classes"][name]
        ious.append(divide(correct, (is_true | is_predicted).sum()))
        both = is_true.sum() + is_predicted.sum()
        assert numbers["iou"] == pytest.approx(ious[-1], nan_ok=True)
        assert numbers["precision"] == pytest.approx(
            divide(correct, is_predicted.sum()), nan_ok=True
        )
        assert numbers["recall"] == pytest.approx(divide(correct, is_true.sum()), nan_ok=True)
        assert numbers["f1"] == pytest.approx(divide(2 * correct, both), nan_ok=True)
        assert counts[class_id].sum() == is_true.sum()
    correct = divide((ground_truth == prediction)[labeled].sum(), labeled.sum())
    assert score["overall"]["pixel_acc"] == pytest.approx(correct, nan_ok=True)
    for mean, values in (
        (score["mean"]["iou"], ious[:2]),
        (score["overall"]["miou_with_background"], ious),
    ):
        occurring = [value for value in values if not np.isnan(value)]
        expected = sum(occurring) / len(occurring) if occurring else float("nan")
        assert mean == pytest.approx(expected, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(MAPS)
def test_the_binary_score_is_the_standard_score_of_merged_classes(maps: Maps) -> None:
    metric = BinaryMetric(DRIVABLE)
    metric.update(FramePair(maps[0], maps[1], DRIVABLE))
    ground_truth, prediction = (
        np.select([labels < 2, labels == 2], [0, 1], 255).astype(np.uint8) for labels in maps
    )
    expected = compute_standard_score(
        count_pixels(ground_truth, prediction, 3), get_task("drivable_binary")
    )
    binary = metric.compute()
    assert repr(binary["classes"]) == repr(expected["classes"])
    assert repr(binary["overall"]) == repr(expected["overall"])


def test_false_positives_on_the_background_cost_in_the_standard_score_alone() -> None:
    ground_truth = np.full((10, 10), 2, np.uint8)
    ground_truth[:5] = 0
    counts = count_pixels(ground_truth, np.zeros_like(ground_truth), 4)
    assert compute_official_score(counts, DRIVABLE)["mean"]["iou"] == 100
    standard = compute_standard_score(counts, DRIVABLE)
    assert standard["mean"]["iou"] == 50
    assert standard["classes"]["direct"]["precision"] == 50
    assert standard["classes"]["background"]["recall"] == 0
    assert standard["overall"]["miou_with_background"] == 25


def test_a_task_without_a_background_has_one_mean_and_no_binary_score() -> None:
    sem_seg = get_task("sem_seg")
    score = compute_standard_score(np.eye(20, dtype=np.int64), sem_seg)
    assert score["mean"]["iou"] == 100
    assert set(score["overall"]) == {"pixel_acc"}
    assert not BinaryMetric.supports(sem_seg)

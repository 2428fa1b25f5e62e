import numpy as np

from bddseg.metrics.boundary import BoundaryMetric, count_boundary
from bddseg.metrics.metric import FramePair
from bddseg.tasks.task import get_task

DRIVABLE = get_task("drivable")


def make_square(left: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    labels = np.full((300, 400), 2, np.uint8)
    labels[100:300, left : left + 200] = 0
    return labels


def test_only_pixels_near_contours_count() -> None:
    ground_truth, shifted = make_square(100), make_square(104)
    distance = 10  # 2 % of a diagonal of 500
    bands = []
    for labels in (ground_truth, shifted):
        inside = np.zeros(labels.shape, bool)
        rows, columns = np.nonzero(labels == 0)
        top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
        inside[top + distance : bottom + 1 - distance, left + distance : right + 1 - distance] = (
            True
        )
        bands.append((labels == 0) & ~inside)
    expected = [(bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()]
    assert count_boundary(ground_truth, shifted, 3)[0].tolist() == expected


def test_equal_label_maps_have_a_boundary_iou_of_100() -> None:
    ground_truth = make_square(100)
    metric = BoundaryMetric(DRIVABLE)
    metric.update(FramePair(ground_truth, ground_truth, DRIVABLE))
    ring = 200 * 200 - 180 * 180
    assert metric.counts[0].tolist() == [ring, ring]
    scores = metric.compute()
    assert scores["classes"]["direct"]["iou"] == scores["classes"]["background"]["iou"] == 100
    assert np.isnan(scores["classes"]["alternative"]["iou"])
    assert scores["mean"]["iou"] == 100


def test_unlabeled_pixels_are_in_no_band() -> None:
    ground_truth = make_square(100)
    ground_truth[100:300, 100:300] = 255
    counts = count_boundary(ground_truth, make_square(100), 3)
    assert counts[0].tolist() == [0, 0]

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bddseg.metrics.confusion import count_pixels, join_background
from bddseg.metrics.official import compute_official_score
from bddseg.tasks.task import get_task


def test_counts_by_hand() -> None:
    ground_truth = np.array([[0, 0, 1, 1, 2, 255]], np.uint8)
    prediction = np.array([[0, 1, 1, 7, 0, 2]], np.uint8)
    counts = count_pixels(ground_truth, prediction, 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]


@settings(deadline=None, max_examples=60)
@given(arrays(np.uint8, (2, 7, 5), elements=st.integers(0, 255)), st.sampled_from([3, 4, 16, 20]))
def test_counts_are_exact_for_every_number_of_classes(
    maps: npt.NDArray[np.uint8], size: int
) -> None:
    ground_truth, prediction = np.minimum(maps, size - 1)
    expected = np.zeros((size, size), int)
    np.add.at(expected, (ground_truth, prediction), 1)
    assert np.array_equal(count_pixels(maps[0], maps[1], size), expected)


def test_counts_beyond_the_integers_of_float32_are_exact() -> None:
    labels = np.zeros((5000, 4001), np.uint8)
    assert count_pixels(labels, labels, 4)[0, 0] == labels.size > 2**24


def test_counts_of_20000_full_frames_do_not_overflow() -> None:
    labels = np.zeros((720, 1280), np.uint8)
    counts = count_pixels(labels, labels, 4) * 20_000
    assert counts[0, 0] == 18_432_000_000
    assert compute_official_score(counts, get_task("drivable"))["mean"]["iou"] == 100


def test_background_and_unlabeled_pixels_are_one_class_in_the_official_score() -> None:
    counts = np.arange(16).reshape(4, 4)
    assert join_background(counts).tolist() == [[0, 1, 5], [4, 5, 13], [20, 22, 50]]

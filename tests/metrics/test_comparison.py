"""Results compared on the same frames."""

import json

import numpy as np
import pytest

from bddseg.data.masks import write_mask
from bddseg.metrics.comparison import compare_results, official_miou, plain_miou
from bddseg.metrics.confusion import count_pixels
from bddseg.tasks import get_task

TASK = get_task("drivable")


def make_counts(errors, seed):
    """Counts of 60 frames in which a share of the pixels is wrong."""
    generator = np.random.default_rng(seed)
    counts = []
    for frame in range(60):
        truth = np.random.default_rng(frame).integers(0, 3, (30, 40)).astype(np.uint8)
        wrong = generator.random(truth.shape) < errors * generator.uniform(0.5, 1.5)
        counts.append(
            count_pixels(truth, np.where(wrong, (truth + 1) % 3, truth).astype(np.uint8), 4)
        )
    return np.stack(counts)


def test_a_real_difference_is_clear():
    difference = compare_results(make_counts(0.2, 1), make_counts(0.1, 2), TASK, plain_miou)
    assert difference.low < difference.value < difference.high
    assert difference.low > 5
    assert difference.is_clear


def test_chance_is_told_from_progress():
    difference = compare_results(make_counts(0.1, 1), make_counts(0.1, 2), TASK, official_miou)
    assert difference.low < 0 < difference.high
    assert not difference.is_clear


def test_the_interval_holds_the_spread_of_fresh_samples():
    """The bootstrap's width against that of differences on frames that it has not seen."""
    values = [
        compare_results(make_counts(0.15, seed), make_counts(0.1, 99 + seed), TASK, plain_miou)
        for seed in range(12)
    ]
    widths = [value.high - value.low for value in values]
    spread = np.std([value.value for value in values])
    assert 2 < np.median(widths) / spread < 8


def test_the_same_result_differs_by_nothing():
    counts = make_counts(0.1, 1)
    difference = compare_results(counts, counts, TASK, plain_miou)
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for frame in range(12):
        truth = np.full((20, 30), 2, np.uint8)
        truth[10:] = rng.integers(0, 2)
        for name, wrong in (("truth", 0), ("one", 3), ("two", 1)):
            labels = truth.copy()
            labels[10 : 10 + wrong] = 2
            write_mask(tmp_path / name / f"{frame}.png", labels)
    return tmp_path


def test_eval_compares_several_results_with_the_first(folders, run):
    arguments = ("eval", "-g", folders / "truth", "-r", folders / "one", "-r", folders / "two")
    code, out, _ = run(*arguments)
    assert code == 0
    lines = [line for line in out.splitlines() if str(folders) in line]
    assert len(lines) == 2
    assert "+20.00" in lines[1]
    assert "(noise)" not in lines[1]
    first, second = json.loads(run(*arguments, "--json")[1])
    assert first["result"] == str(folders / "one")
    gap = second["plain"]["mean_iou"] - first["plain"]["mean_iou"]
    assert second["difference"]["miou"]["value"] == pytest.approx(gap)


def test_files_of_one_result_are_not_written_for_several(folders, run):
    arguments = ("eval", "-g", folders / "truth", "-r", folders / "one", "-r", folders / "two")
    assert run(*arguments, "--per-image", folders / "x.csv")[0] == 2

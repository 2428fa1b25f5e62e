"""The scores that stand beside the official one."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bddseg.data.masks import write_mask
from bddseg.metrics.boundary import compute_boundary_iou, count_boundary
from bddseg.metrics.confusion import count_pixels, join_background
from bddseg.metrics.scores import compute_binary_score, compute_plain_score, compute_score
from bddseg.tasks import get_task

DRIVABLE = get_task("drivable")
IDS = st.sampled_from([0, 1, 2, 3, 200, 255])
MAPS = arrays(np.uint8, (2, 9, 11), elements=IDS)


def divide(part, whole):
    return 100 * part / whole if whole else float("nan")


@settings(deadline=None, max_examples=60)
@given(MAPS)
def test_plain_scores_are_what_masks_say_class_by_class(maps):
    truth, result = maps
    score = compute_plain_score(count_pixels(truth, result, 4), DRIVABLE)
    known = truth < 3
    for number, name in enumerate(DRIVABLE.classes):
        is_true, is_given = (truth == number) & known, (result == number) & known
        hit = (is_true & is_given).sum()
        each = score.classes[name]
        assert each.iou == pytest.approx(divide(hit, (is_true | is_given).sum()), nan_ok=True)
        assert each.precision == pytest.approx(divide(hit, is_given.sum()), nan_ok=True)
        assert each.recall == pytest.approx(divide(hit, is_true.sum()), nan_ok=True)
        both = is_true.sum() + is_given.sum()
        assert each.f1 == pytest.approx(divide(2 * hit, both), nan_ok=True)
        assert each.truth_pixels == is_true.sum()
    right = divide((truth == result)[known].sum(), known.sum())
    assert score.pixel_acc == pytest.approx(right, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(MAPS)
def test_the_binary_score_is_the_plain_one_of_merged_classes(maps):
    truth, result = maps
    merged = [np.select([labels < 2, labels == 2], [0, 1], 255).astype(np.uint8) for labels in maps]
    binary = compute_binary_score(count_pixels(truth, result, 4), DRIVABLE)
    expected = compute_plain_score(count_pixels(*merged, 3), get_task("drivable_binary"))
    assert repr(binary) == repr(expected)


@settings(deadline=None, max_examples=60)
@given(arrays(np.uint8, (2, 7, 5), elements=st.integers(0, 255)), st.sampled_from([3, 4, 16, 20]))
def test_counts_are_exact_whatever_the_number_of_classes(maps, size):
    truth, result = np.minimum(maps, size - 1)
    expected = np.zeros((size, size), int)
    np.add.at(expected, (truth, result), 1)
    assert np.array_equal(count_pixels(maps[0], maps[1], size), expected)


def test_counts_beyond_what_float32_holds_are_exact():
    truth = np.zeros((5000, 4001), np.uint8)
    assert count_pixels(truth, truth, 4)[0, 0] == truth.size > 2**24


def test_background_and_unknown_are_one_to_the_official_score():
    counts = np.arange(16).reshape(4, 4)
    assert join_background(counts).tolist() == [[0, 1, 5], [4, 5, 13], [20, 22, 50]]


def test_false_positives_cost_in_the_plain_score_alone():
    truth = np.full((10, 10), 2, np.uint8)
    truth[:5] = 0
    everywhere = np.zeros_like(truth)
    counts = count_pixels(truth, everywhere, 4)
    assert compute_score(counts, DRIVABLE).mean_iou == 100
    plain = compute_plain_score(counts, DRIVABLE)
    assert plain.mean_iou == 50
    assert plain.classes["direct"].precision == 50
    assert plain.classes["background"].recall == 0
    assert plain.mean_iou_all == 25


@pytest.fixture
def folders(tmp_path):
    truth = np.full((20, 30), 2, np.uint8)
    truth[10:, :20] = 0
    for name, wrong in (("good", 0), ("bad", 15), ("fair", 3)):
        write_mask(tmp_path / "truth" / f"{name}.png", truth)
        result = truth.copy()
        result[:wrong] = 0
        write_mask(tmp_path / "result" / f"{name}.png", result)
    write_mask(tmp_path / "truth" / "lost.png", truth)
    return tmp_path


def test_eval_tells_when_the_official_score_hides_something(folders, run):
    code, out, err = run("eval", "-g", folders / "truth", "-r", folders / "result")
    assert code == 0
    assert "points off the plain one" in err
    for heading in ("Official score", "Plain score", "precision", "Drivable or not"):
        assert heading in out


def test_eval_as_json_has_all_scores_and_the_confusion_matrix(folders, run):
    out = run("eval", "-g", folders / "truth", "-r", folders / "result", "--json")[1]
    content = json.loads(out)
    matrix = np.array(content["confusion"]["truth_by_result"])
    assert content["confusion"]["classes"] == [*DRIVABLE.classes, "unknown"]
    assert matrix.sum() == 4 * 600
    assert matrix[:, 3].tolist() == [200, 0, 400, 0]  # the lost frame
    assert set(content["plain"]["classes"]) == set(DRIVABLE.classes)
    assert content["binary"]["classes"]["drivable"]["recall"] == pytest.approx(75)


def test_each_frame_gets_a_row_worst_first_if_asked(folders, run):
    path = folders / "frames.csv"
    arguments = ("eval", "-g", folders / "truth", "-r", folders / "result", "--per-image", path)
    run(*arguments)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["frame"] for row in rows] == ["bad", "fair", "good", "lost"]
    run(*arguments, "--sort")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["frame"] for row in rows] == ["lost", "bad", "fair", "good"]
    assert [row["missing"] for row in rows] == ["1", "0", "0", "0"]
    assert float(rows[-1]["miou"]) == float(rows[-1]["iou direct"]) == 100
    assert rows[-1]["iou alternative"] == ""
    pixels = {key: int(value) for key, value in rows[1].items() if key.startswith("pixels")}
    assert sum(pixels.values()) == 600
    assert pixels["pixels background as direct"] == 10 * 30 + 5 * 10


def test_boundary_iou_counts_the_pixels_near_contours_alone():
    truth = np.full((300, 400), 2, np.uint8)
    truth[100:300, 100:300] = 0
    shifted = np.full_like(truth, 2)
    shifted[100:300, 104:304] = 0
    same = count_boundary(truth, truth, 3)
    assert compute_boundary_iou(same)[0] == compute_boundary_iou(same)[2] == 100
    assert np.isnan(compute_boundary_iou(same)[1])
    distance = 10  # 2 % of a diagonal of 500
    ring = 200 * 200 - (200 - 2 * distance) ** 2
    assert same[0].tolist() == [ring, ring]
    bands = []
    for labels in (truth, shifted):
        inside = np.zeros(labels.shape, bool)
        rows, columns = np.nonzero(labels == 0)
        top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
        inside[top + distance : bottom + 1 - distance, left + distance : right + 1 - distance] = (
            True
        )
        bands.append((labels == 0) & ~inside)
    expected = [(bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()]
    assert count_boundary(truth, shifted, 3)[0].tolist() == expected


def test_eval_scores_edges_if_asked(folders, run):
    arguments = ("eval", "-g", folders / "truth", "-r", folders / "result")
    assert json.loads(run(*arguments, "--json")[1])["boundary_iou"] is None
    edges = json.loads(run(*arguments, "--json", "--boundary")[1])["boundary_iou"]
    assert 0 < edges["direct"] < 100
    assert edges["alternative"] is None
    assert "boundary IoU" in run(*arguments, "--boundary")[1]

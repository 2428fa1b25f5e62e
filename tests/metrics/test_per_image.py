"""The CSV file with the scores of each frame."""

import csv
from pathlib import Path

import numpy as np
import pytest
from metrics.helpers import write_masks

from bddseg.errors import BddsegError
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.evaluation import Evaluation
from bddseg.metrics.per_image import _format, read_worst, write_frames


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """Four frames: bad, fair, good, and one without a prediction."""
    labels = np.full((20, 30), 2, np.uint8)
    labels[10:, :20] = 0
    predictions = {}
    for name, wrong in (("good", 0), ("bad", 15), ("fair", 3)):
        predictions[name] = labels.copy()
        predictions[name][:wrong] = 0
    paths = write_masks(
        tmp_path,
        ground_truth=dict.fromkeys(["good", "bad", "fair", "lost"], labels),
        predictions=predictions,
    )
    return evaluate(*paths, metrics="boundary")


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_rows_are_in_the_order_of_the_ground_truth_or_worst_first(
    tmp_path: Path, evaluation: Evaluation
) -> None:
    path = tmp_path / "frames.csv"
    write_frames(path, evaluation)
    assert [(row["frame"], row["rank"]) for row in read(path)] == [
        ("bad", "2"),
        ("fair", "3"),
        ("good", "4"),
        ("lost", "1"),
    ]
    write_frames(path, evaluation, worst_first=True)
    rows = read(path)
    assert [row["frame"] for row in rows] == ["lost", "bad", "fair", "good"]
    assert [row["missing"] for row in rows] == ["1", "0", "0", "0"]


def test_a_row_has_headlines_all_numbers_and_the_confusion_matrix(
    tmp_path: Path, evaluation: Evaluation
) -> None:
    path = tmp_path / "frames.csv"
    write_frames(path, evaluation)
    bad, _, good, _ = read(path)
    for key in (
        "official_miou",
        "standard_miou_with_background",
        "binary_iou",
        "boundary_miou_without_background",
    ):
        assert float(good[key]) == 100
    assert float(good["standard.classes.direct.iou"]) == 100
    assert good["standard.classes.alternative.iou"] == ""
    assert float(bad["boundary.classes.direct.iou"]) < 100
    pixels = {key: int(value) for key, value in bad.items() if key.startswith("pixels")}
    assert sum(pixels.values()) == 600
    assert pixels["pixels background as direct"] == 10 * 30 + 5 * 10


def test_the_worst_frames_are_those_with_a_prediction(
    tmp_path: Path, evaluation: Evaluation
) -> None:
    path = tmp_path / "frames.csv"
    write_frames(path, evaluation)
    assert read_worst(path, 2) == ["bad", "fair"]


def test_a_frame_without_a_score_has_no_rank_and_is_not_among_the_worst(tmp_path: Path) -> None:
    paths = write_masks(
        tmp_path,
        ground_truth={"a": [[255]], "b": [[0]]},
        predictions={"a": [[0]], "b": [[0]]},
    )
    path = tmp_path / "frames.csv"
    write_frames(path, evaluate(*paths))
    assert [row["rank"] for row in read(path)] == ["", "1"]
    assert read_worst(path, 2) == ["b"]


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"frame,missing,rank\nx,y,z\n", b"\xff\xfe"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(BddsegError, match=r"other\.csv is not a table of scores per frame"):
        read_worst(path, 1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BddsegError, match=r"other\.csv cannot be read: No such file.*Write one: bddseg"
    ):
        read_worst(tmp_path / "other.csv", 1)


def test_a_name_is_no_formula_and_a_negative_number_stays_a_number(tmp_path: Path) -> None:
    labels = np.zeros((4, 4), np.uint8)
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "'a", "plain"]
    masks = dict.fromkeys(names, labels)
    evaluation = evaluate(*write_masks(tmp_path, ground_truth=masks, predictions=masks))
    path = tmp_path / "frames.csv"
    write_frames(path, evaluation)
    rows = read(path)
    assert sorted(row["frame"] for row in rows) == sorted(
        ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "''=1", "''a", "plain"]
    )
    assert sorted(read_worst(path, len(names))) == sorted(names)
    assert _format(-1.5) == "-1.5000"
    assert _format(-3) == -3

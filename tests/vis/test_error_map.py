"""Error maps: classes of pixels, colors, scores."""

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bddseg.data.image import read_image, write_jpeg
from bddseg.data.label_set import open_label_set
from bddseg.data.mask import read_mask, write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.tasks.task import Task, get_task
from bddseg.types import Color
from bddseg.vis.batch import DrawOptions, DrawResult
from bddseg.vis.error_map import (
    COLORS,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    TRUE_POSITIVE,
    WRONG_CLASS,
    classify_pixels,
    draw_error_maps,
)


def test_each_pixel_is_a_true_positive_or_one_of_three_errors() -> None:
    ground_truth = np.array([[0, 0, 0, 2, 2, 1, 255, 255]], np.uint8)
    prediction = np.array([[0, 1, 2, 2, 0, 255, 0, 2]], np.uint8)
    outcome = classify_pixels(ground_truth, prediction, get_task("drivable"))
    expected = [TRUE_POSITIVE, WRONG_CLASS, FALSE_NEGATIVE, 0, FALSE_POSITIVE, FALSE_NEGATIVE, 0, 0]
    assert outcome.tolist() == [expected]


def test_without_a_background_there_are_no_false_positives() -> None:
    ground_truth = np.array([[0, 18, 5, 255]], np.uint8)
    prediction = np.array([[0, 3, 255, 4]], np.uint8)
    outcome = classify_pixels(ground_truth, prediction, get_task("sem_seg"))
    assert outcome.tolist() == [[TRUE_POSITIVE, WRONG_CLASS, FALSE_NEGATIVE, 0]]


# Color vision without one of the three types of cones: Machado, Oliveira and Fernandes, 2009,
# severity 1.
VISIONS: dict[str, npt.ArrayLike] = {
    "all cones": np.eye(3),
    "no long": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no middle": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def see(color: Color, vision: str) -> npt.NDArray[np.float32]:
    """The appearance of a color, in CIE Lab."""
    value = np.array(color) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    value = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(value.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)
    return np.asarray(lab, np.float32).reshape(3)


@pytest.mark.parametrize("vision", VISIONS)
def test_all_colors_can_be_told_apart_with_any_color_vision(vision: str) -> None:
    """A difference of 2.3 is just noticeable."""
    seen = [see(color, vision) for color in COLORS.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three grey frames of a road; the prediction covers 1/10, 5/10 and 10/10 of it."""
    for number, share in enumerate((1, 5, 10)):
        ground_truth = np.full((180, 320), 2, np.uint8)
        ground_truth[60:, 100:200] = 0
        prediction = np.full((180, 320), 2, np.uint8)
        prediction[60:, 100 : 100 + 10 * share] = 0
        grey = np.full((180, 320, 3), 128, np.uint8)
        write_jpeg(tmp_path / "frames" / f"f{number}.jpg", grey)
        write_mask(tmp_path / "gt" / f"f{number}.png", ground_truth)
        write_mask(tmp_path / "results" / f"f{number}.png", prediction)
    return tmp_path


def draw(
    root: Path,
    task: Task,
    *,
    results: str = "results",
    names: list[str] | None = None,
    options: DrawOptions | None = None,
) -> DrawResult:
    return draw_error_maps(
        str(root / "frames"),
        root / "gt",
        root / results,
        root / "out",
        task,
        names=names,
        options=options or DrawOptions(),
    )


def test_error_maps_show_the_colors_and_the_score(pairs: Path, drivable: Task) -> None:
    assert draw(pairs, drivable).drawn == 3
    first, last = (read_image(pairs / "out" / f"f{number}.jpg") for number in (0, 2))
    true_positive = [82, 123, 145]  # 0.35 of blue on grey
    false_negative = [192, 102, 32]  # 0.75 of vermilion on grey
    assert np.abs(first[100, 180].astype(int) - false_negative).max() < 6
    assert np.abs(last[100, 180].astype(int) - true_positive).max() < 6
    assert np.abs(first[100, 260].astype(int) - 128).max() < 6
    # The score is in the corner: other numbers are other pixels.
    assert (first[:40, :90] != last[:40, :90]).any()


def test_named_frames_are_numbered_in_their_order(pairs: Path, drivable: Task) -> None:
    result = draw(pairs, drivable, names=["f2", "f0", "f1"], options=DrawOptions(limit=2))
    assert result.drawn == 2
    assert sorted(path.name for path in (pairs / "out").iterdir()) == ["1-f2.jpg", "2-f0.jpg"]
    with pytest.raises(BddsegError, match=r"1 frame of the table .*\(such as zebra\)"):
        draw(pairs, drivable, names=["f0", "zebra"])


def test_sizes_and_missing_masks_are_reported(pairs: Path, drivable: Task) -> None:
    write_mask(pairs / "results" / "f0.png", np.zeros((9, 16), np.uint8))
    (pairs / "results" / "f1.png").unlink()
    write_jpeg(pairs / "frames" / "f2.jpg", np.zeros((360, 640, 3), np.uint8))
    result = draw(pairs, drivable)
    assert result.drawn == 1
    assert "f0.png is 16x9, but its ground truth" in result.failures[0].message
    assert "f0.png is 320x180" in result.failures[0].message
    assert [path.name for path in result.unpaired] == ["f1.jpg"]
    assert result.resized == (f"{pairs / 'gt' / 'f2.png'} is 320x180, its frame 640x360",)


def test_scalabel_json_gives_the_same_error_maps_as_masks(pairs: Path, drivable: Task) -> None:
    draw(pairs, drivable)
    expected = {path.name: path.read_bytes() for path in (pairs / "out").iterdir()}
    refs = open_label_set(pairs / "results", drivable).values()
    write_scalabel(
        pairs / "rle.json",
        [encode_frame(f"{ref.name}.jpg", read_mask(ref.path), drivable) for ref in refs],
    )
    options = DrawOptions(overwrite=True)
    assert draw(pairs, drivable, results="rle.json", options=options).drawn == 3
    assert {path.name: path.read_bytes() for path in (pairs / "out").iterdir()} == expected


def test_a_frame_without_labels_in_scalabel_json_is_all_background(
    pairs: Path, drivable: Task
) -> None:
    (pairs / "rle.json").write_text(json.dumps([{"name": "f2.jpg"}]))
    assert draw(pairs, drivable, results="rle.json").drawn == 1
    road = read_image(pairs / "out" / "f2.jpg")[100, 150].astype(int)
    assert np.abs(road - [192, 102, 32]).max() < 6


def test_ground_truth_of_three_classes_is_mapped_for_predictions_of_two(tmp_path: Path) -> None:
    labels = np.full((40, 60), 2, np.uint8)
    labels[20:, :30], labels[20:, 30:] = 0, 1
    write_jpeg(tmp_path / "frames" / "a.jpg", np.zeros((40, 60, 3), np.uint8))
    write_mask(tmp_path / "truth" / "a.png", labels)
    write_mask(tmp_path / "masks" / "a.png", (labels == 2).astype(np.uint8))
    result = draw_error_maps(
        str(tmp_path / "frames"),
        tmp_path / "truth",
        tmp_path / "masks",
        tmp_path / "out",
        get_task("drivable_binary"),
    )
    assert "direct and alternative to drivable" in result.notes[0]
    same = draw_error_maps(
        str(tmp_path / "frames"),
        tmp_path / "masks",
        tmp_path / "masks",
        tmp_path / "expected",
        get_task("drivable_binary"),
    )
    assert not same.notes
    drawn, expected = (tmp_path / name / "a.jpg" for name in ("out", "expected"))
    assert drawn.read_bytes() == expected.read_bytes()

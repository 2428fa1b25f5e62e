"""`bddseg vis compare` and `bddseg vis sheet`."""

import csv
import itertools

import cv2
import numpy as np
import pytest

from bddseg.data.frames import read_frame, write_jpeg
from bddseg.data.masks import write_mask
from bddseg.tasks import get_task
from bddseg.vis import compare
from bddseg.vis.compare import CONFUSED, HIT, INVENTED, MISSED, compare_labels


def test_each_pixel_is_hit_missed_invented_or_confused():
    truth = np.array([[0, 0, 0, 2, 2, 1, 255, 255]], np.uint8)
    result = np.array([[0, 1, 2, 2, 0, 255, 0, 2]], np.uint8)
    expected = [[HIT, CONFUSED, MISSED, 0, INVENTED, MISSED, 0, 0]]
    assert compare_labels(truth, result, get_task("drivable")).tolist() == expected


def test_without_background_everything_is_hit_or_confused_or_missed():
    truth = np.array([[0, 18, 5, 255]], np.uint8)
    result = np.array([[0, 3, 255, 4]], np.uint8)
    assert compare_labels(truth, result, get_task("sem_seg")).tolist() == [
        [HIT, CONFUSED, MISSED, 0]
    ]


# What people without one kind of cone see: Machado, Oliveira and Fernandes, 2009, severity 1.
VISIONS = {
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


def see(color, vision):
    """How a colour looks, in CIE Lab."""
    value = np.array(color) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(vision) @ linear, 0, 1)
    value = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(value.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("vision", VISIONS)
def test_all_colours_are_told_apart_by_all_kinds_of_vision(vision):
    """A difference of 2.3 can just be noticed."""
    seen = [see(color, VISIONS[vision]) for color in compare._COLORS.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


@pytest.fixture
def pairs(tmp_path):
    """Ten frames whose results are right in a growing part; the first one's is the worst."""
    for number in range(10):
        truth = np.full((180, 320), 2, np.uint8)
        truth[60:, 100:200] = 0
        result = np.full((180, 320), 2, np.uint8)
        result[60:, 100 : 110 + 10 * number] = 0
        grey = np.full((180, 320, 3), 128, np.uint8)
        write_jpeg(tmp_path / "frames" / f"f{number}.jpg", grey)
        write_mask(tmp_path / "truth" / f"f{number}.png", truth)
        write_mask(tmp_path / "result" / f"f{number}.png", result)
    return tmp_path


def run_compare(run, root, *options):
    folders = ("-i", root / "frames", "-g", root / "truth", "-r", root / "result")
    return run("vis", "compare", *folders, "-o", root / "out", *options)


def test_pictures_show_the_colours_and_the_score(run, pairs):
    code, out, _ = run_compare(run, pairs)
    assert code == 0
    assert "10 comparisons" in out
    first, last = (read_frame(pairs / "out" / f"f{number}.jpg") for number in (0, 9))
    hit = [82, 123, 145]  # 0.35 of blue on grey
    missed = [192, 102, 32]  # 0.75 of vermilion
    assert np.abs(first[100, 180].astype(int) - missed).max() < 6
    assert np.abs(last[100, 180].astype(int) - hit).max() < 6
    assert np.abs(first[100, 260].astype(int) - 128).max() < 6
    # The score stands in the corner: other numbers, other pixels.
    assert (first[:40, :90] != last[:40, :90]).any()


def test_the_worst_frames_come_first(run, pairs):
    table = pairs / "scores.csv"
    run("eval", "-g", pairs / "truth", "-r", pairs / "result", "--per-image", table)
    code, out, _ = run_compare(run, pairs, "--worst", 3, "--per-image", table)
    assert code == 0
    assert "3 comparisons" in out
    names = sorted(path.name for path in (pairs / "out").iterdir())
    with table.open() as file:
        worst = sorted(csv.DictReader(file), key=lambda row: float(row["miou"]))[:3]
    assert names == [f"{place}-{row['frame']}.jpg" for place, row in enumerate(worst, start=1)]
    assert names == ["1-f0.jpg", "2-f1.jpg", "3-f2.jpg"]


def test_what_is_wrong_with_a_comparison_is_named(run, pairs):
    assert run_compare(run, pairs, "--worst", 3)[0] == 2
    code, _, err = run_compare(run, pairs, "--worst", 3, "--per-image", pairs / "none.csv")
    assert code == 1
    assert "none.csv is no table of frames' scores" in err
    (pairs / "other.csv").write_text("frame,missing,miou\nzebra,0,1.0\n")
    code, _, err = run_compare(run, pairs, "--worst", 3, "--per-image", pairs / "other.csv")
    assert code == 1
    assert "such as zebra" in err
    write_mask(pairs / "result" / "f3.png", np.zeros((9, 9), np.uint8))
    (pairs / "result" / "f4.png").unlink()
    code, out, err = run_compare(run, pairs)
    assert code == 1
    assert "8 comparisons" in out
    assert "f3.png and its truth" in err
    assert "1 frames have no mask, such as" in err


def run_sheet(run, root, *options):
    code, out, err = run("vis", "sheet", "-i", root / "frames", *options)
    return code, out + err


def test_a_sheet_is_a_grid_of_evenly_chosen_pictures(run, pairs):
    for number in range(10):
        grey = np.full((180, 320, 3), 20 * number, np.uint8)
        write_jpeg(pairs / "frames" / f"f{number}.jpg", grey)
    out = pairs / "sheet.png"
    options = ("-n", 4, "--columns", 3, "--width", 160)
    code, text = run_sheet(run, pairs, "-o", out, *options, "--no-captions")
    assert code == 0
    assert "4 of 10 pictures" in text
    sheet = read_frame(out)
    assert sheet.shape == (180, 480, 3)
    centres = [int(sheet[45 + 90 * (n // 3), 80 + 160 * (n % 3), 0]) for n in range(4)]
    assert np.abs(np.array(centres) - [0, 60, 120, 180]).max() <= 2
    assert (sheet[90:, 160:] == 255).all()
    assert run_sheet(run, pairs, "-o", out, *options)[0] == 0
    captioned = read_frame(out)
    assert captioned.shape[0] > 180
    assert (captioned[90 : captioned.shape[0] // 2, :160] < 100).any()


def test_pictures_of_another_shape_keep_their_proportions(run, pairs):
    write_jpeg(pairs / "frames" / "f1.jpg", np.zeros((320, 180, 3), np.uint8))
    out = pairs / "sheet.png"
    options = ("-n", 10, "--columns", 10, "--width", 160, "--no-captions")
    assert run_sheet(run, pairs, "-o", out, *options)[0] == 0
    cell = read_frame(out)[:, 160:320]
    dark = (cell < 30).all(axis=(0, 2))
    assert abs(int(dark.sum()) - 51) <= 2
    assert (cell[:, :40] > 250).all()


@pytest.mark.parametrize(
    ("out", "said"), [("sheet.gif", "neither JPEG nor PNG"), ("frames", "neither JPEG nor PNG")]
)
def test_a_sheet_of_another_kind_is_refused(run, pairs, out, said):
    code, text = run_sheet(run, pairs, "-o", pairs / out)
    assert code == 1
    assert said in text

"""`bddseg eval`."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from label_files import LEGACY, draw_scenes
from metrics.helpers import write_masks, write_record
from support import Run

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.types import Image


@pytest.fixture
def masks(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve frames, of which one has no prediction; false positives on the background."""
    ground_truth, predictions = {}, {}
    for number in range(12):
        labels = np.full((20, 30), 2, np.uint8)
        labels[10:, :20] = number % 2
        ground_truth[f"f{number:02}"] = labels
        predictions[f"f{number:02}"] = labels.copy()
        predictions[f"f{number:02}"][: 2 + number % 3] = 0
    del predictions["f11"]
    return write_masks(tmp_path, ground_truth=ground_truth, predictions=predictions)


def test_the_tables_have_all_default_metrics_and_warnings_go_to_stderr(
    run: Run, masks: tuple[Path, Path]
) -> None:
    code, out, err = run("eval", "-g", masks[0], "-r", masks[1])
    assert code == 0
    assert "Task drivable, 12 frames." in out
    for text in ("Official score", "Standard score", "Binary score", "mean without background"):
        assert text in out
    assert "Boundary score" not in out
    assert "points above the standard mIoU" in err
    assert "1 frame without a prediction" in err


def test_numbers_in_the_tables_are_those_in_json(run: Run, masks: tuple[Path, Path]) -> None:
    arguments = ("eval", "-g", masks[0], "-r", masks[1])
    content = json.loads(run(*arguments, "--json")[1])
    out = run(*arguments)[1]
    rows = [line.split() for line in out.splitlines()]
    direct = content["scores"]["standard"]["classes"]["direct"]
    assert [
        "direct",
        *(f"{direct[key]:.2f}" for key in ("iou", "precision", "recall", "f1")),
    ] in rows
    official = content["scores"]["official"]["mean_without_background"]
    assert [
        "mean",
        "without",
        "background",
        f"{official['iou']:.2f}",
        f"{official['acc']:.2f}",
    ] in rows
    counts = np.array(content["confusion"]["counts"])
    assert counts.sum() == 12 * 600
    assert counts[:, 3].tolist() == [0, 200, 400, 0]  # the frame without a prediction


def test_a_mean_has_the_same_name_and_value_in_terminal_json_csv_and_pictures(
    run: Run, masks: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def draw(image: Image, lines: list[tuple[object, str]], *, bottom: bool = False) -> None:
        drawn.extend(text for _, text in lines)

    monkeypatch.setattr("bddseg.vis.error_map.draw_text_box", draw)
    for folder in masks:
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()
    write_jpeg(tmp_path / "frames" / "f00.jpg", np.zeros((20, 30, 3), np.uint8))
    arguments = ("eval", "-g", masks[0], "-r", masks[1])
    content = json.loads(run(*arguments, "--json", "--per-image", tmp_path / "f.csv")[1])
    mean = content["scores"]["standard"]["mean_without_background"]["iou"]
    assert content["headlines"]["standard_miou_without_background"] == mean
    (row,) = csv.DictReader((tmp_path / "f.csv").read_text().splitlines())
    assert row["standard_miou_without_background"] == f"{mean:.4f}"
    assert row["standard.mean_without_background.iou"] == f"{mean:.4f}"
    assert f"mean without background  {mean:.2f}" in run(*arguments)[1]
    folders = ("-i", tmp_path / "frames", "-g", masks[0], "-r", masks[1], "-o", tmp_path / "e")
    assert run("vis", "errors", *folders)[0] == 0
    assert drawn[0] == f"mIoU without background {mean:.1f}"


def test_a_score_without_a_value_is_a_dash_and_null(run: Run, tmp_path: Path) -> None:
    paths = write_masks(tmp_path, ground_truth={"a": [[2, 255]]}, predictions={"a": [[2, 2]]})
    arguments = ("eval", "-g", paths[0], "-r", paths[1])
    assert json.loads(run(*arguments, "--json")[1])["headlines"]["official_miou"] is None
    assert ["mean", "without", "background", "-", "-"] in [
        line.split() for line in run(*arguments)[1].splitlines()
    ]


@pytest.mark.parametrize("option", [("--metric", "boundary"), ("--metric", "boundary,official")])
def test_a_further_metric_is_in_the_tables_and_in_json(
    run: Run, masks: tuple[Path, Path], option: tuple[str, str]
) -> None:
    arguments = ("eval", "-g", masks[0], "-r", masks[1], *option)
    assert "boundary IoU" in run(*arguments)[1]
    content = json.loads(run(*arguments, "--json")[1])
    assert 0 < content["scores"]["boundary"]["classes"]["direct"]["iou"] < 100
    assert list(content["scores"]) == ["official", "standard", "binary", "boundary"]


def test_all_metrics_are_computed_and_the_names_of_all_are_in_the_error(
    run: Run, masks: tuple[Path, Path]
) -> None:
    arguments = ("eval", "-g", masks[0], "-r", masks[1], "--json", "--metric")
    expected = run(*arguments, "boundary")[1]
    assert list(json.loads(run(*arguments, "all")[1])["scores"])[:4] == list(
        json.loads(expected)["scores"]
    )
    error = " ".join(run(*arguments, "boundry")[2].replace("│", " ").split())
    assert "There are: all, binary, boundary, official, standard." in error


def test_intervals_are_below_the_tables_and_in_json(run: Run, masks: tuple[Path, Path]) -> None:
    arguments = ("eval", "-g", masks[0], "-r", masks[1])
    content = json.loads(run(*arguments, "--json")[1])
    assert set(content["intervals"]) == set(content["headlines"])
    interval = content["intervals"]["official_miou"]
    assert interval["value"] == content["headlines"]["official_miou"]
    assert interval["low"] < interval["value"]
    assert content["provenance"]["intervals"]["resamples"] == 1000
    low, high = interval["low"], interval["high"]
    text = f"official mIoU: {interval['value']:.2f}, 95 % interval {low:.2f} to {high:.2f}."
    assert text in run(*arguments)[1]


def test_results_of_different_tasks_are_compared_only_as_the_coarser_one(
    run: Run, tmp_path: Path
) -> None:
    for name, labels in draw_scenes().items():
        write_mask(tmp_path / "truth" / f"{name}.png", labels)
        write_mask(tmp_path / "three" / "masks" / f"{name}.png", labels)
        write_mask(tmp_path / "two" / "masks" / f"{name}.png", (labels == 2).astype(np.uint8))
    write_record(tmp_path / "three")
    write_record(tmp_path / "two", "drivable_binary")
    command = ("eval", "-g", tmp_path / "truth", "-r", tmp_path / "three", "-r", tmp_path / "two")
    code, out, err = run(*command)
    assert (code, out) == (1, "")
    assert "use -t drivable_binary" in err
    code, out, err = run(*command, "-t", "drivable_binary", "--json")
    assert code == 0
    assert [row["headlines"]["binary_iou"] for row in json.loads(out)] == [100, 100]
    # What is true of all results is noted once.
    assert err.count(f"{tmp_path / 'truth'} has labels of drivable") == 1
    assert err.count(f"{tmp_path / 'three'} has labels of drivable") == 1


def test_several_results_have_conditions_and_official_files_of_their_own(
    run: Run, masks: tuple[Path, Path], tmp_path: Path
) -> None:
    labels = tmp_path / "labels.json"
    frames = [{"name": f"f{number:02}.jpg", "attributes": {"x": "y"}} for number in range(12)]
    labels.write_text(json.dumps(frames))
    both = ("eval", "-g", masks[0], "-r", masks[1], "-r", masks[0])
    options = ("--by", "x", "--attributes", labels, "--out-file", tmp_path / "official.json")
    code, out, _ = run(*both, *options)
    assert code == 0
    for path in (masks[1], masks[0]):
        assert f"By condition of {path}" in out.replace("\n", "")
    files = [json.loads((tmp_path / f"official-{number}.json").read_text()) for number in (1, 2)]
    assert files[0]["IoU"][1]["AVERAGE"] < files[1]["IoU"][1]["AVERAGE"] == 100
    code, _, err = run(*both, *options)
    assert code == 1
    assert "official-1.json exists already" in err
    rows = json.loads(run(*both, *options, "--overwrite", "--json")[1])
    assert [row["by"][0]["frames"] for row in rows] == [12, 12]


def test_several_results_are_compared_with_the_first(run: Run, masks: tuple[Path, Path]) -> None:
    arguments = ("eval", "-g", masks[0], "-r", masks[1], "-r", masks[0], "-r", masks[1])
    code, out, err = run(*arguments, "--metric", "boundary")
    assert code == 0
    assert f"2: {masks[0]}" in out
    rows = [
        line for line in out.splitlines() if line.startswith("standard mIoU without background  ")
    ]
    assert [row.split()[4] for row in rows] == ["1", "2", "3"]
    assert "n.s." not in rows[1]
    assert "+0.00 n.s." in rows[2]
    assert any(line.startswith("boundary mIoU") for line in out.splitlines())
    assert f"{masks[1]}: 1 frame without a prediction" in err
    first, second, _ = json.loads(run(*arguments, "--json")[1])
    assert first["predictions"] == first["provenance"]["predictions"] == str(masks[1])
    assert set(first["intervals"]) == set(first["headlines"])
    key = "standard_miou_without_background"
    gap = second["headlines"][key] - first["headlines"][key]
    difference = second["difference"][key]
    assert difference["value"] == pytest.approx(gap)
    assert difference["significant"] is True


def test_conditions_are_in_the_table_and_in_json(
    run: Run, masks: tuple[Path, Path], tmp_path: Path
) -> None:
    labels = tmp_path / "labels.json"
    weather = {f"f{number:02}": "rainy" if number < 4 else "clear" for number in range(12)}
    frames = [
        {"name": f"{name}.jpg", "attributes": {"weather": value}} for name, value in weather.items()
    ]
    labels.write_text(json.dumps(frames))
    arguments = (
        "eval",
        "-g",
        masks[0],
        "-r",
        masks[1],
        "--by",
        "weather",
        "--attributes",
        labels,
        "--metric",
        "boundary",
    )
    code, out, _ = run(*arguments)
    assert code == 0
    below = out.partition("By condition, the worst first")[2]
    assert "boundary mIoU" in below
    assert {line.split()[1] for line in below.splitlines() if line.startswith("weather")} == {
        "rainy",
        "clear",
    }
    rows = json.loads(run(*arguments, "--json")[1])["by"]
    assert {row["value"]: row["frames"] for row in rows} == {"rainy": 4, "clear": 8}
    assert "boundary_miou_without_background" in rows[0]
    assert run(*arguments, "--by", "wether")[0] == 1


def test_frames_are_written_worst_first(run: Run, masks: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    arguments = ("eval", "-g", masks[0], "-r", masks[1], "--per-image", path)
    assert run(*arguments, "--worst-first")[0] == 0
    header, first, *_ = path.read_text().splitlines()
    assert header.startswith("frame,missing,rank,official_miou,standard_miou_without_background,")
    assert first.startswith("f11,1,1,")


@pytest.mark.parametrize("width", [80, 60, 40])
def test_tables_fit_the_terminal_and_numbers_are_never_cut(
    run: Run, masks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for further in ((), ("-r", masks[0])):
        out = run("eval", "-g", masks[0], "-r", masks[1], *further)[1]
        wide = [line for line in out.splitlines() if len(line.rstrip()) > width]
        assert not wide
        assert "…" not in out
    assert ("Not shown: " in out) == (width < 80)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-t", "lanes"),
        ("--metric", "boundry"),
        ("--threads", "0"),
        ("--worst-first",),
        ("--by", "weather"),
        ("-r", "other", "--per-image", "frames.csv"),
    ],
)
def test_wrong_usage_exits_with_2(
    run: Run, masks: tuple[Path, Path], arguments: tuple[str, ...]
) -> None:
    code, out, _ = run("eval", "-g", masks[0], "-r", masks[1], *arguments)
    assert (code, out) == (2, "")


def test_a_missing_option_exits_with_2(run: Run, masks: tuple[Path, Path]) -> None:
    assert run("eval", "-g", masks[0])[0] == 2


def test_a_missing_folder_exits_with_1(run: Run, tmp_path: Path) -> None:
    code, out, err = run("eval", "-g", tmp_path / "none", "-r", tmp_path)
    assert (code, out) == (1, "")
    assert "none does not exist" in err


def test_legacy_labels_are_refused_with_the_command_that_converts_them(
    run: Run, tmp_path: Path
) -> None:
    for name, labels in draw_scenes().items():
        write_mask(tmp_path / "legacy" / f"{name}.png", LEGACY[labels])
        write_mask(tmp_path / "masks" / f"{name}.png", labels)
    command = ("eval", "-r", tmp_path / "masks", "-g")
    code, out, err = run(*command, tmp_path / "legacy")
    assert (code, out) == (1, "")
    convert = shlex.split(err.partition("bddseg labels convert")[2].splitlines()[0])
    assert convert == [str(tmp_path / "legacy"), "-o", "OUT", "-t", "drivable"]
    convert[2] = str(tmp_path / "OUT")
    assert run("labels", "convert", *convert)[0] == 0
    code, out, _ = run(*command, tmp_path / "OUT", "--json")
    assert json.loads(out)["headlines"]["standard_miou_without_background"] == 100


def test_a_task_other_than_that_of_the_run_exits_with_1(run: Run, masks: tuple[Path, Path]) -> None:
    write_record(masks[1])
    code, _, err = run("eval", "-g", masks[0], "-r", masks[1], "-t", "sem_seg")
    assert code == 1
    assert "holds results of the task drivable, not of the task sem_seg" in err

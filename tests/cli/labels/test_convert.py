"""`bddseg labels convert`: every encoding to every other, and back."""

import json
from pathlib import Path
from shlex import quote

import numpy as np
import PIL.Image
import pytest
from label_files import Scenes, draw_scenes, write_scenes
from support import Run

from bddseg.data.mask import read_mask, write_mask


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes()


@pytest.mark.parametrize("encoding", ["legacy", "palette", "rgb"])
def test_label_files_become_masks(scenes: Scenes, tmp_path: Path, run: Run, encoding: str) -> None:
    folder, out = write_scenes(tmp_path / "labels", scenes, encoding), tmp_path / "masks"
    code, text, _ = run("labels", "convert", folder, "-o", out)
    assert code == 0
    described = "legacy" if encoding == "legacy" else "color"
    assert text == f"4 label maps written to {out}, converted from {described}.\n"
    for name, labels in scenes.items():
        assert np.array_equal(read_mask(out / "sub" / f"{name}.png"), labels)


@pytest.mark.parametrize("target", ["legacy", "color"])
def test_converting_there_and_back_changes_nothing(
    scenes: Scenes, tmp_path: Path, run: Run, target: str
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "current")
    first = folder / "sub" / "scene1.png"
    labels = read_mask(first).copy()
    labels[:3, :5] = 255
    write_mask(first, labels)
    there, back = tmp_path / "there", tmp_path / "back"
    assert run("labels", "convert", folder, "-o", there, "--to", target)[0] == 0
    assert run("labels", "convert", there, "-o", back, "--from", target)[0] == 0
    for path in folder.rglob("*.png"):
        expected = read_mask(path)
        # In colors, ignored pixels are black, as the background is.
        if target == "color":
            expected = np.where(expected == 255, 2, expected)
        assert np.array_equal(read_mask(back / path.relative_to(folder)), expected)


def test_masks_become_run_length_encoded_json_and_come_back(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    ignored = scenes["scene1"].copy()
    ignored[:9, :9] = 255
    folder = write_scenes(tmp_path / "labels", {**scenes, "ignored": ignored}, "current")
    file, back = tmp_path / "drivable.json", tmp_path / "back"
    assert run("labels", "convert", folder, "-o", file, "--to", "rle")[0] == 0
    assert run("labels", "convert", file, "-o", back)[0] == 0
    for name, labels in scenes.items():
        assert np.array_equal(read_mask(back / f"{name}.png"), labels)
    # Pixels without a label are background in a task that has one.
    expected = np.where(ignored == 255, 2, ignored)
    assert np.array_equal(read_mask(back / "ignored.png"), expected)


@pytest.mark.parametrize("encoding", ["current", "legacy"])
def test_masks_of_three_classes_become_those_of_drivable_or_not(
    scenes: Scenes, tmp_path: Path, run: Run, encoding: str
) -> None:
    folder, out = write_scenes(tmp_path / "labels", scenes, encoding), tmp_path / "masks"
    if encoding == "current":
        ignored = scenes["scene1"].copy()
        ignored[:9, :9] = 255
        write_mask(folder / "sub" / "ignored.png", ignored)
    options = ("-o", out, "--to-task", "drivable_binary", "--overwrite")
    code, _, err = run("labels", "convert", folder, *options)
    assert (code, "vis colorize" in err and "-t drivable_binary" in err) == (0, True), err
    becomes = np.arange(256, dtype=np.uint8)
    becomes[[0, 1, 2]] = 0, 0, 1
    for name, labels in scenes.items():
        assert np.array_equal(read_mask(out / "sub" / f"{name}.png"), becomes[labels])
    if encoding == "current":
        assert np.array_equal(read_mask(out / "sub" / "ignored.png"), becomes[ignored])
    # In legacy ids, 0 is the background.
    assert run("labels", "convert", folder, *options, "--to", "legacy")[0] == 0
    legacy = read_mask(out / "sub" / "scene1.png")
    assert np.array_equal(legacy, 1 - becomes[scenes["scene1"]])


def test_labels_do_not_become_those_of_a_finer_task(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "current")
    code, _, err = run("labels", "convert", folder, "-o", tmp_path / "out", "--to-task", "sem_seg")
    assert code == 1
    assert "Labels of the task drivable cannot become those of sem_seg." in err
    assert not (tmp_path / "out").exists()


def test_polygons_become_masks(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("bdd100k.label.to_mask", reason="needs the bdd100k extra")
    vertices = [[100, 700], [600, 300], [1200, 700]]
    polygon = {"vertices": vertices, "types": "LLL", "closed": True}
    labels = [{"id": "1", "category": "alternative", "poly2d": [polygon]}]
    file, out = tmp_path / "labels.json", tmp_path / "out"
    file.write_text(json.dumps([{"name": "a.jpg", "url": None, "labels": labels}]))
    code, text, _ = run("labels", "convert", file, "-o", out)
    assert code == 0
    assert text == f"1 label map written to {out}, converted from poly2d.\n"
    assert read_mask(out / "a.png")[[600, 100], [600, 100]].tolist() == [1, 2]


def test_a_file_that_cannot_be_converted_is_named_and_the_others_are_converted(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "rgb")
    PIL.Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "odd.png")
    out = tmp_path / "out"
    code, text, err = run("labels", "convert", folder, "-o", out, "--from", "color")
    assert code == 1
    assert "odd.png: no class of drivable has the color (1, 2, 3)" in err
    assert text.startswith("4 label maps written")
    command = ("labels", "convert", folder, "-o", out, "--from", "color", "--overwrite", "--json")
    code, text, _ = run(*command)
    content = json.loads(text)
    (failure,) = content.pop("failures")
    assert code == 1
    assert "odd.png: no class" in failure["error"]
    assert content == {
        "out": str(out),
        "source_encoding": "color",
        "encoding": "current",
        "converted": 4,
    }


def test_an_ambiguous_encoding_is_an_error(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "legacy")
    write_mask(folder / "odd.png", scenes["scene1"])
    code, _, err = run("labels", "convert", folder, "-o", tmp_path / "out")
    assert code == 1
    assert "Ambiguous encoding: 4 of 5 conclusive files look legacy." in err
    assert f"bddseg labels check {quote(str(folder))}" in err


def test_a_folder_is_not_converted_into_itself(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "legacy")
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    assert run("labels", "convert", folder, "-o", folder, "--overwrite")[0] == 1
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before


@pytest.mark.parametrize(("target", "out"), [("rle", "folder"), ("current", "file.json")])
def test_an_output_of_the_wrong_kind_is_refused(
    scenes: Scenes, tmp_path: Path, run: Run, target: str, out: str
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "current")
    code, _, err = run("labels", "convert", folder, "-o", tmp_path / out, "--to", target)
    assert code == 1
    assert f"the output for --to {target} is" in err
    assert not (tmp_path / out).exists()


def test_wrong_json_is_named(tmp_path: Path, run: Run) -> None:
    (tmp_path / "rle.json").write_text("{")
    code, _, err = run("labels", "convert", tmp_path / "rle.json", "-o", tmp_path / "out")
    assert code == 1
    assert "rle.json cannot be read as JSON" in err

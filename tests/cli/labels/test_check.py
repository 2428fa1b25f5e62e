"""`bddseg labels check`: the encoding, and each file that does not have it."""

import json
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import numpy as np
import PIL.Image
import pytest
from label_files import Scenes, draw_scenes, write_legacy, write_rgba, write_scenes
from support import Run

from bddseg.data.mask import write_mask
from bddseg.types import LabelMap


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes()


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("current", "current"), ("legacy", "legacy"), ("palette", "color"), ("rgb", "color")],
)
def test_the_encoding_is_reported(
    scenes: Scenes, tmp_path: Path, run: Run, encoding: str, expected: str
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, encoding)
    code, out, err = run("labels", "check", folder, "--json")
    content = json.loads(out)
    assert (content["encoding"], content["confidence"]) == (expected, 1)
    assert (content["matching"], content["conclusive"]) == (4, 4)
    assert {each["encoding"] for each in content["files"]} == {expected}
    assert code == (0 if expected == "current" else 1)
    if code:
        assert f"bddseg labels convert {quote(str(folder))} -o OUT -t drivable" in err


def test_the_summary_is_readable(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    labels = scenes["scene1"].copy()
    labels[-50:] = 255
    write_mask(tmp_path / "a.png", labels)
    write_mask(tmp_path / "dark.png", np.full((72, 128), 2, np.uint8))
    code, out, _ = run("labels", "check", tmp_path)
    assert code == 0
    assert out.splitlines() == [
        f"2 files in {tmp_path}",
        "  mode       L (2)",
        "  size       1280x720 (1), 128x72 (1)",
        "  ids        0, 1, 2, 255",
        "             255 is ignored in ground truth, and an error in predictions",
        "  encoding   current (1 of 1 conclusive file)",
    ]


def test_files_of_which_none_is_conclusive_are_explained(tmp_path: Path, run: Run) -> None:
    write_mask(tmp_path / "a.png", np.zeros((72, 128), np.uint8))
    code, out, err = run("labels", "check", tmp_path)
    assert code == 1
    assert "encoding   ambiguous (0 of 0 conclusive files)" in out
    assert f"{tmp_path / 'a.png'}: all pixels are 0." in err
    assert "No file is conclusive." in err
    assert "--from legacy" in err


def test_of_binary_masks_the_task_that_they_fit_is_named(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    for name, labels in scenes.items():
        write_mask(tmp_path / f"{name}.png", np.where(labels == 2, 1, 0).astype(np.uint8))
    code, _, err = run("labels", "check", tmp_path)
    assert code == 1
    assert "found no background; the ids would fit drivable_binary (-t drivable_binary)" in err
    assert run("labels", "check", tmp_path, "-t", "drivable_binary")[0] == 0


def test_ambiguous_files_follow_the_conclusive_ones(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "current")
    write_mask(folder / "dark.png", np.full((720, 1280), 2, np.uint8))
    content = json.loads(run("labels", "check", folder, "--json")[1])
    assert (content["encoding"], content["conclusive"]) == ("current", 4)
    assert run("labels", "check", folder)[0] == 0


def write_color(path: Path, labels: LabelMap) -> None:
    PIL.Image.new("RGB", (8, 8), (1, 2, 3)).save(path)


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (
            lambda path, labels: write_mask(path, labels + 5),
            "it has id 7, and the ids of drivable are 0 to 2",
        ),
        (write_rgba, "its encoding is bitmask"),
        (lambda path, labels: path.write_bytes(b"text"), "it cannot be read: it is not a PNG file"),
        (write_color, "no class of drivable has the color (1, 2, 3)"),
        (write_legacy, "its encoding is legacy"),
    ],
    ids=["ids", "bitmask", "broken", "colors", "mixed"],
)
def test_each_deviating_file_is_named(
    scenes: Scenes,
    tmp_path: Path,
    run: Run,
    write: Callable[[Path, LabelMap], None],
    problem: str,
) -> None:
    folder = write_scenes(tmp_path / "labels", scenes, "current")
    write(folder / "odd.png", scenes["scene2"])
    code, out, err = run("labels", "check", folder)
    assert code == 1
    assert "encoding   current" in out
    assert f"{folder / 'odd.png'}: {problem}" in err


def test_invalid_files_are_named_even_if_all_are(tmp_path: Path, run: Run) -> None:
    for number in range(7):
        write_color(tmp_path / f"{number}.png", np.zeros((1, 1), np.uint8))
    code, out, err = run("labels", "check", tmp_path)
    assert code == 1
    assert "encoding   invalid (7 of 7 conclusive files)" in out
    assert err.count("no class of drivable has the color (1, 2, 3)") == 5
    assert "And 2 more; --json lists all." in err


def test_bitmasks_are_recognised(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    write_rgba(tmp_path / "a.png", scenes["scene2"])
    code, out, _ = run("labels", "check", tmp_path)
    assert code == 1
    assert "encoding   bitmask" in out


def test_a_folder_without_masks_is_named(tmp_path: Path, run: Run) -> None:
    code, _, err = run("labels", "check", tmp_path)
    assert code == 1
    assert "holds no masks" in err

"""`bddseg package`: a checked zip, or every reason why there is none."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import Run

from bddseg.data.mask import write_mask
from bddseg.record import RunRecord


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output folder of a run of the drivable task, with three masks."""
    folder = tmp_path / "out"
    for name in ("c", "sub/a", "b"):
        write_mask(folder / "masks" / f"{name}.png", np.full((720, 1280), 1, np.uint8))
    write_record(folder, "drivable")
    return folder


def write_record(folder: Path, task: str, source: str = "/data/frames") -> None:
    record = RunRecord(
        model="m",
        task=task,
        weights={},
        arguments={},
        identity={"source": source},
        versions={},
        device="cpu",
        started="",
    )
    record.write(folder)


@pytest.mark.parametrize("command", ["package", "submit"])
@pytest.mark.parametrize("folder", [".", "masks"])
def test_masks_are_packed(out: Path, tmp_path: Path, run: Run, command: str, folder: str) -> None:
    file = tmp_path / "out.zip"
    code, text, _ = run(command, "-r", out / folder, "-o", file, "--partial")
    assert code == 0
    assert text.startswith(f"3 masks in {file} (")
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["a.png", "b.png", "c.png"]


def test_json_says_what_was_written(out: Path, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "out.zip"
    code, text, _ = run("package", "-r", out, "-o", file, "--partial", "--json")
    assert code == 0
    assert json.loads(text) == {
        "out": str(file),
        "masks": 3,
        "size_bytes": file.stat().st_size,
        "violations": [],
    }


def test_each_problem_is_listed_and_nothing_is_written(out: Path, tmp_path: Path, run: Run) -> None:
    write_mask(out / "masks" / "small.png", np.zeros((3, 3), np.uint8))
    (tmp_path / "names.txt").write_text("a.jpg\nb.jpg\n\nsmall.jpg\nmissing.jpg\n")
    file, names = tmp_path / "out.zip", tmp_path / "names.txt"
    command = ("package", "-r", out, "-o", file, "--names", names, "--split", "val")
    code, _, err = run(*command)
    assert code == 1
    assert "c.png: it is not in the list of names." in err
    assert "missing.png: it is in the list of names, and there is no such mask." in err
    assert "small.png: it is 3x3, not 1280x720." in err
    assert f"{file} was not written because of 3 problems, listed above." in err
    assert "Fix the masks, or use --partial if only masks are missing." in err
    assert not file.exists()
    code, text, _ = run(*command, "--json")
    assert code == 1
    content = json.loads(text)
    assert content["out"] is None
    assert len(content["violations"]) == 3


def test_a_problem_of_many_masks_is_printed_once(out: Path, tmp_path: Path, run: Run) -> None:
    for number in range(9):
        write_mask(out / "masks" / f"small-{number}.png", np.zeros((3, 3), np.uint8))
    command = ("package", "-r", out, "-o", tmp_path / "out.zip", "--partial")
    code, _, err = run(*command)
    listed = "small-0.png, small-1.png, small-2.png and 6 more: it is 3x3, not 1280x720.\n"
    assert (code, err.count("3x3")) == (1, 1)
    assert err.startswith(listed)
    assert err.endswith("because of 1 problem, listed above.\nFix the masks.\n")
    assert len(json.loads(run(*command, "--json")[1])["violations"]) == 9


def test_names_are_the_set(out: Path, tmp_path: Path, run: Run) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a.jpg\nb.jpg\nc.jpg\n")
    code, text, err = run("package", "-r", out, "-o", tmp_path / "out.zip", "--names", names)
    assert (code, text[:7]) == (0, "3 masks"), err
    server = "https://eval.ai/web/challenges/challenge-page/1280"
    assert err == f"Upload it to {server}, which scores all 20,000 frames of test.\n"


def test_frames_of_another_split_are_refused_unless_they_are_listed(
    out: Path, tmp_path: Path, run: Run
) -> None:
    write_record(out, "drivable", source="/data/test/bdd100k/images/100k/val")
    command = ("package", "-r", out, "-o", tmp_path / "out.zip")
    code, _, err = run(*command, "--partial")
    assert code == 1
    assert "frames in /data/test/bdd100k/images/100k/val seem to be of the split val" in err
    assert "and --split is test." in err
    assert "Use --split val; or give the names of all frames with --names FILE" in err
    assert not (tmp_path / "out.zip").exists()
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\n")
    assert run(*command, "--names", names)[0] == 0
    assert run(*command, "--partial", "--overwrite", "--split", "val")[0] == 0


def test_the_number_of_masks_is_that_of_the_split(out: Path, tmp_path: Path, run: Run) -> None:
    err = run("package", "-r", out, "-o", tmp_path / "out.zip")[2]
    assert "it has 3 masks, and test has 20,000 frames" in err
    assert "because of 1 problem, listed" in err


@pytest.mark.parametrize("task", ["sem_seg", "drivable_binary"])
def test_masks_of_another_task_are_refused(out: Path, tmp_path: Path, run: Run, task: str) -> None:
    write_record(out, task)
    code, _, err = run("package", "-r", out, "-o", tmp_path / "out.zip", "--partial")
    assert code == 1
    assert f"{out} holds masks of the task {task}, and the server scores drivable." in err
    assert not (tmp_path / "out.zip").exists()


def test_a_list_of_names_that_cannot_be_read_is_named(out: Path, tmp_path: Path, run: Run) -> None:
    code, _, err = run(
        "package", "-r", out, "-o", tmp_path / "out.zip", "--names", tmp_path / "gone.txt"
    )
    assert code == 1
    assert "gone.txt cannot be read" in err


def test_a_folder_without_masks_is_named(tmp_path: Path, run: Run) -> None:
    code, _, err = run("package", "-r", tmp_path, "-o", tmp_path / "out.zip")
    assert code == 1
    assert "holds no masks" in err

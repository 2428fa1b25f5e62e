"""Which results `bddseg infer` keeps, and which frames belong to a run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from support import Run

from bddseg.data.mask import read_mask
from bddseg.vis.video import write_video


def forget(tiny: Path) -> None:
    """Give the model weights with which its masks hold nothing but 0."""
    weights = tiny.with_name("tiny.pth")
    state = torch.load(weights, weights_only=True)
    torch.save({name: tensor * 0 for name, tensor in state.items()}, weights)


def list_names(path: Path) -> list[str]:
    """Return the names of the frames in a Scalabel file."""
    return [frame["name"] for frame in json.loads(path.read_text())]


def test_of_two_runs_at_once_the_second_is_an_error_until_the_first_is_dead(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    for number in range(100):
        shutil.copy(frames / "a.jpg", frames / f"copy{number:03}.jpg")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bddseg", "infer", str(tiny), str(frames), "-o", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (out / "run.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        # It does nothing from here on, and holds the lock.
        process.send_signal(signal.SIGSTOP)
        machines = ("--nnodes", "2", "--rdzv-endpoint", "127.0.0.1:29501")
        for options in ((), ("--overwrite",), ("--workers", "2"), machines):
            code, _, err = run("infer", tiny, frames, "-o", out, *options)
            assert (code, f"Another run is writing to {out}" in err) == (1, True), err
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert "of 105 frames done" in run("infer", tiny, frames, "-o", out)[1]
    assert not (out / ".lock").exists()


def test_a_frame_that_changed_is_done_again(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out)
    newer = (out / "masks" / "night" / "c.png").stat().st_mtime_ns + 1_000_000
    os.utime(frames / "night" / "c.jpg", ns=(newer, newer))
    _, text, _ = run("infer", tiny, frames, "-o", out)
    assert ("1 of 5 frames done" in text, "4 were there already" in text) == (True, True)


def test_overwriting_keeps_no_mask_with_a_time_in_the_future(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out)
    mask = out / "masks" / "a.png"
    mask.write_bytes((out / "masks" / "b.png").read_bytes())
    future = time.time() + 3600
    os.utime(mask, (future, future))
    forget(tiny)
    assert "5 of 5 frames done" in run("infer", tiny, frames, "-o", out, "--overwrite")[1]
    assert {int(read_mask(path).max()) for path in out.rglob("*.png")} == {0}
    assert read_mask(mask).shape == (72, 128)


def test_files_of_all_frames_hold_those_of_the_run_alone(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("-o", out, "--format", "mask,rle", "--overwrite")
    run("infer", tiny, frames, *options)
    # A leftover that cannot be read is none of the run's either.
    (out / "rle" / "a.json").write_text("{")
    code, _, err = run("infer", tiny, frames / "night", *options)
    assert code == 0, err
    assert list_names(out / "drivable.json") == ["c.jpg", "d.JPG", "e.bmp"]
    (frames / "night" / "rain" / "d.JPG").write_text("broken")
    assert run("infer", tiny, frames / "night", *options)[0] == 1
    assert list_names(out / "drivable.json") == ["c.jpg", "e.bmp"]


def test_a_video_holds_the_frames_of_the_run_alone(run: Run, tiny: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    source, out = tmp_path / "drive.mp4", tmp_path / "out"
    write_video(source, [np.full((64, 96, 3), 9 * n, np.uint8) for n in range(12)], Fraction(10))
    for every, expected in ((2, 6), (3, 4)):
        options = ("--format", "video", "--every", every, "--overwrite")
        code, _, err = run("infer", tiny, source, "-o", out, *options)
        assert code == 0, err
        with av.open(str(out / "videos" / "drive.mp4")) as container:
            assert len(list(container.decode(video=0))) == expected


@pytest.mark.parametrize("pattern", ["", "**/*.png"])
def test_an_earlier_run_inside_the_source_is_no_source(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, pattern: str
) -> None:
    run("infer", tiny, frames, "-o", tmp_path / "old")
    shutil.move(tmp_path / "old", frames / "night" / "old")
    # A file of that name need not be ours.
    (frames / "night" / "rain" / "run.json").write_text('{"weather": "rain"}')
    (frames / "night" / "rain" / "f.png").write_bytes((frames / "b.png").read_bytes())
    run("infer", tiny, frames / pattern, "-o", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["frames"] == (2 if pattern else 6)


def test_the_folder_of_an_earlier_run_is_no_source(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    run("infer", tiny, frames, "-o", tmp_path / "old", "--format", "overlay")
    code, _, err = run("infer", tiny, tmp_path / "old", "-o", tmp_path / "out")
    assert (code, f"{tmp_path / 'old'} is the output of a run" in err) == (1, True), err
    assert run("vis", "grid", "-i", tmp_path / "old" / "overlays", "-o", tmp_path / "g.jpg")[0] == 0


def test_a_frame_named_run_is_scored_like_any_other(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    shutil.rmtree(frames / "night")
    (frames / "a.jpg").rename(frames / "run.jpg")
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out, "--format", "mask,rle")
    assert (out / "rle" / "run.json").is_file()
    for results in (out / "rle", out / "drivable.json", out):
        code, text, err = run("eval", "-g", out / "masks", "-r", results, "--json")
        assert code == 0, err
        assert (json.loads(text)["frames"], json.loads(text)["missing"]) == (2, [])


def test_any_format_can_follow_any_other(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    folders = {"rle": "rle", "colormap": "colormaps", "mask": "masks"}
    for count, name in enumerate(folders, start=1):
        assert run("infer", tiny, frames, "-o", out, "--format", name)[0] == 0
        found = {path.name for path in out.iterdir() if path.is_dir()}
        assert found == set(list(folders.values())[:count])


def test_a_run_without_frames_leaves_nothing_in_the_way(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    code, _, err = run("infer", tiny, tmp_path / "empty", "-o", out)
    assert (code, "holds no frames" in err, out.exists()) == (1, True, False)
    assert run("infer", tiny, frames, "-o", out)[0] == 0


def test_a_run_whose_last_file_cannot_be_written_has_failed_and_can_be_finished(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "drivable.json").mkdir(parents=True)
    for _ in range(2):
        code, _, err = run("infer", tiny, frames, "-o", out, "--format", "rle")
        assert (code, "Cannot write" in err, "drivable.json" in err) == (1, True, True), err
        record = json.loads((out / "run.json").read_text())
        assert (record["status"], "drivable.json" in record["error"]) == ("failed", True)
    (out / "drivable.json").rmdir()
    text = run("infer", tiny, frames, "-o", out, "--format", "rle")[1]
    assert "All 5 frames were done already" in text
    assert json.loads((out / "run.json").read_text())["status"] == "finished"

"""What `bddseg infer` writes, and when it resumes what is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support import Run, write_tiny_model

import bddseg
from bddseg.data.mask import read_mask
from bddseg.data.sources.video import index_video, read_video_frames
from bddseg.errors import BddsegError
from bddseg.inference.predictor import load_model
from bddseg.inference.writers.writer import RunWriters
from bddseg.tasks.task import get_task
from bddseg.vis.colorize import colorize_masks
from bddseg.vis.overlay import overlay_frames


@pytest.fixture
def sharp(tmp_path: Path) -> Path:
    (tmp_path / "sharp").mkdir()
    return write_tiny_model(tmp_path / "sharp", spread=True)


def list_all(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_several_formats_lie_in_folders_of_their_own(
    run: Run, sharp: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, _, err = run("infer", sharp, frames, "-o", out, "--format", "mask,colormap,overlay,rle")
    assert code == 0, err
    names = ("a", "b", "night/c", "night/rain/d", "night/rain/e")
    expected = {
        f"{kind}/{name}.{suffix}"
        for kind, suffix in (
            ("masks", "png"),
            ("colormaps", "png"),
            ("overlays", "jpg"),
            ("rle", "json"),
        )
        for name in names
    }
    assert list_all(out) == expected | {"manifest.jsonl", "run.json", "drivable.json"}
    task = get_task("drivable")
    colorize_masks(out / "masks", tmp_path / "colormaps", task)
    overlay_frames(str(frames), out / "masks", tmp_path / "overlays", task)
    for name in names:
        for kind, suffix in (("colormaps", "png"), ("overlays", "jpg")):
            ours = (out / kind / f"{name}.{suffix}").read_bytes()
            assert ours == (tmp_path / kind / f"{name}.{suffix}").read_bytes()


def test_rle_is_what_scalabel_reads_back_as_the_masks(
    run: Run, sharp: Path, frames: Path, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        # Packages that it imports are deprecated on current Python.
        warnings.simplefilter("ignore")
        from scalabel.label.io import load
        from scalabel.label.transforms import rle_to_mask

    out = tmp_path / "out"
    assert run("infer", sharp, frames, "-o", out, "--format", "mask,rle")[0] == 0
    text = (out / "drivable.json").read_text()
    assert len(text.splitlines()) == 5 + 2  # a frame a row, between brackets
    loaded = load(str(out / "drivable.json")).frames
    assert [frame.name for frame in loaded] == ["a.jpg", "b.png", "c.jpg", "d.JPG", "e.bmp"]
    task = get_task("drivable")
    ids = []
    for frame, name in zip(
        loaded, ("a", "b", "night/c", "night/rain/d", "night/rain/e"), strict=True
    ):
        labels = read_mask(out / "masks" / f"{name}.png")
        rebuilt = np.full_like(labels, 255)
        for label in frame.labels or []:
            assert label.rle is not None
            rebuilt[rle_to_mask(label.rle) > 0] = task.classes.index(label.category)
            ids.append(label.id)
        assert np.array_equal(rebuilt, labels)
    assert ids == [str(number) for number in range(1, len(ids) + 1)]


def test_an_unknown_format_is_named(run: Run, tiny: Path, frames: Path, tmp_path: Path) -> None:
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--format", "mask,colormapp")
    assert code == 2
    assert "no format named" in err
    assert "Did you mean colormap" in " ".join(err.replace("│", " ").split())


def test_what_is_done_is_not_done_again(run: Run, tiny: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out, "--limit", 2)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    code, text, _ = run("infer", tiny, frames, "-o", out)
    assert code == 0
    assert "3 of 5 frames done" in text
    assert "2 were there already" in text
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (out / "masks" / "a.png").unlink()
    assert "1 of 5 frames done" in run("infer", tiny, frames, "-o", out)[1]


def test_a_format_added_later_is_added(run: Run, tiny: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out, "--format", "mask,colormap")
    code, text, _ = run("infer", tiny, frames, "-o", out, "--format", "mask,colormap,rle")
    assert code == 0
    assert "5 of 5 frames done" in text
    assert len(list((out / "rle").rglob("*.json"))) == 5


@pytest.mark.parametrize(
    ("change", "described"),
    [
        ("weights", r"weights_sha256 was [0-9a-f]{8} and is [0-9a-f]{8}"),
        (
            "model",
            r"model was tiny and is other; weights_sha256 was [0-9a-f]{8} and is [0-9a-f]{8}",
        ),
        ("source", r"source was \S+frames and is \S+frames/night"),
        ("tta", "tta was False and is True"),
        ("preprocessing", r"preprocessing.size_hw was \[64, 96\] and is \[32, 48\]"),
        ("postprocessing", "postprocessing.min_region was 0 and is 500"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, change: str, described: str
) -> None:
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out)
    before = (out / "run.json").read_text()
    options = []
    if change in ("weights", "model"):
        state = torch.load(tiny.with_name("tiny.pth"), weights_only=True)
        torch.save({name: tensor * 0 for name, tensor in state.items()}, tiny.with_name("tiny.pth"))
    if change == "model":
        text = tiny.read_text().replace('name = "tiny"', 'name = "other"')
        tiny.write_text(text.replace("size_hw = [64, 96]", "size_hw = [32, 48]"))
    elif change == "source":
        frames = frames / "night"
    elif change == "tta":
        options = ["--tta"]
    elif change == "postprocessing":
        options = ["--min-region", "500"]
    elif change == "preprocessing":
        tiny.write_text(tiny.read_text().replace("size_hw = [64, 96]", "size_hw = [32, 48]"))
    code, _, err = run("infer", tiny, frames, "-o", out, *options)
    assert code == 1
    assert re.search(f"out holds another run: {described}\\.\n", err), err
    assert "--overwrite" in err
    assert (out / "run.json").read_text() == before
    code, text, _ = run("infer", tiny, frames, "-o", out, *options, "--overwrite")
    assert code == 0
    assert "were there already" not in text


def test_an_overwriting_run_that_stopped_does_not_keep_old_results(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out)
    state = torch.load(tiny.with_name("tiny.pth"), weights_only=True)
    torch.save({name: tensor * 0 for name, tensor in state.items()}, tiny.with_name("tiny.pth"))
    run("infer", tiny, frames, "-o", out, "--overwrite", "--limit", 2)
    code, text, _ = run("infer", tiny, frames, "-o", out)
    assert (code, "3 of 5 frames done" in text) == (0, True)
    assert {int(read_mask(path).max()) for path in out.rglob("*.png")} == {0}


def test_masks_of_unknown_origin_are_neither_kept_nor_lost(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "masks").mkdir()
    (out / "masks" / "a.png").write_bytes(b"of somebody else")
    code, _, err = run("infer", tiny, frames, "-o", out)
    assert (code, "masks/a.png exists already" in err) == (1, True)
    assert [path.name for path in out.rglob("*.*")] == ["a.png"]
    assert "5 of 5 frames done" in run("infer", tiny, frames, "-o", out, "--overwrite")[1]


def test_a_damaged_record_is_named(run: Run, tiny: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{")
    code, _, err = run("infer", tiny, frames, "-o", out)
    assert code == 1
    assert "run.json cannot be read as a run record" in err


def test_twenty_broken_frames_among_many(tiny: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8), (320, 180))
    for number in range(480):
        cv2.imwrite(str(source / f"good{number:03}.jpg"), image)
    jpeg = (source / "good000.jpg").read_bytes()
    png = bytearray(cv2.imencode(".png", image)[1].tobytes())
    png[png.index(b"IDAT") + 60] ^= 0xFF
    contents = {"cut.jpg": jpeg[: len(jpeg) // 2], "empty.jpg": b"", "text.png": b"hello\n"}
    contents |= {"crc.png": bytes(png), "locked.jpg": jpeg}
    for number in range(4):
        for name, content in contents.items():
            path = source / f"bad{number}-{name}"
            path.write_bytes(content)
            if name == "locked.jpg":
                path.chmod(0)
    out = tmp_path / "out"
    # Root may read any file, unless it gives that right away.
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command: list[str | Path] = [*bare, sys.executable, "-m", "bddseg", "infer"]
    command += [tiny, source, "-o", out]
    result = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert "480 of 500 frames done" in result.stdout
    assert len(list(out.glob("masks/*.png"))) == 480
    record = json.loads((out / "run.json").read_text())
    named = {Path(failure["frame"]).name for failure in record["failures"]}
    assert named == {f"bad{number}-{name}" for number in range(4) for name in contents}
    assert "Permission denied" in result.stderr


def test_two_frames_of_one_name_are_a_named_failure(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    shutil.copy(frames / "b.png", frames / "a.png")
    code, text, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "5 of 6 frames done" in text
    assert "would both become a" in err


def test_a_link_that_leads_in_a_circle_is_a_named_failure(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    (frames / "round.jpg").symlink_to("round.jpg")
    (frames / "round.png").symlink_to("nowhere")
    code, text, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "5 of 7 frames done" in text
    assert err.count("round.") >= 2


@pytest.mark.timeout(60)
def test_a_run_ends_when_frames_cannot_be_listed(
    tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(RunWriters, "is_done", fail)
    with pytest.raises(ZeroDivisionError):
        bddseg.infer(str(tiny), frames, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "failed"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """75 frames, 25 a second, with B-frames and a key frame every 20; their grey is 3 x number."""
    import av

    path = tmp_path_factory.mktemp("video") / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"g": "20", "bf": "2", "crf": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        for number in range(75):
            frame = np.full((72, 128, 3), 3 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_frames_of_a_video_are_chosen_and_named_by_number(
    run: Run, sharp: Path, video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--start", 10, "--end", 60, "--every", 7)
    code, _, err = run("infer", sharp, video, "-o", out, "--format", "mask,video", *options)
    assert code == 0, err
    numbers = list(range(10, 60, 7))
    assert sorted(path.name for path in (out / "masks").iterdir()) == [
        f"{number:06}.png" for number in numbers
    ]
    model = load_model(str(sharp))
    for number, frame in read_video_frames(video, numbers):
        assert not isinstance(frame, BddsegError)
        assert np.array_equal(read_mask(out / "masks" / f"{number:06}.png"), model(frame).labels)
    drawn = index_video(out / "videos" / "drive.mp4")
    assert len(drawn.times) == len(numbers)
    assert float(drawn.rate) == pytest.approx(25 / 7, rel=1e-3)


def test_a_file_that_is_no_video_is_named(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    code, _, err = run("infer", tiny, tmp_path / "bad.mp4", "-o", tmp_path / "out")
    assert code == 1
    assert "bad.mp4 cannot be read as a video" in err


def test_choosing_frames_of_what_is_no_video_is_an_error(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--every", 2)
    assert code == 1
    assert "select frames of a video" in err


def test_infer_is_a_function_too(tiny: Path, frames: Path, tmp_path: Path) -> None:
    record = bddseg.infer(str(tiny), frames, tmp_path / "out", formats=["mask", "overlay"], limit=2)
    assert record is not None
    assert (record.status, record.done) == ("finished", 2)
    assert (tmp_path / "out" / "overlays" / "a.jpg").is_file()


@pytest.mark.parametrize("workers", [(), ("--workers", 2)])
def test_any_name_that_a_file_can_have_is_a_name_of_a_frame(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, workers: tuple[object, ...]
) -> None:
    names = [os.fsdecode(b"caf\xe9"), "new\nline", "x" * 250, "-o", "=1+1"]
    for name in names:
        shutil.copy(frames / "a.jpg", frames / f"{name}.jpg")
    (frames / os.fsdecode(b"broken\xff.png")).write_text("broken")
    (frames / ("y" * 250 + ".jpg")).write_text("broken")
    out = tmp_path / "out"
    options = ("--format", "mask,colormap,rle", "--json", *workers)
    code, text, err = run("infer", tiny, frames, "-o", out, *options)
    assert (code, "Traceback" in err) == (1, False), err
    record = json.loads((out / "run.json").read_text())
    assert (record["done"], len(record["failures"])) == (10, 2)
    assert r"broken\xff.png" in record["failures"][0]["frame"]
    assert json.loads(text)["done"] == 10
    assert {f"{name}.png" for name in names} <= {path.name for path in (out / "masks").iterdir()}
    assert len(json.loads((out / "drivable.json").read_text())) == 10
    scores = ("eval", "-g", out / "masks", "-r", out, "--per-image", tmp_path / "f.csv")
    code, _, err = run(*scores)
    assert code == 0, err
    assert r"caf\xe9" in (tmp_path / "f.csv").read_text()


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_weights_have_to_be_a_regular_file(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "weights.pth"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--weights", path)
    assert (code, f"The weights file {path} cannot be read" in err) == (1, True), err


def test_a_record_that_is_no_text_is_named(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_bytes(b'{"status": "\xff"}')
    for command in (("infer", tiny, frames, "-o", out), ("eval", "-g", frames, "-r", out)):
        code, _, err = run(*command)
        assert (code, "run.json cannot be read as a run record" in err) == (1, True), err


def test_a_format_whose_package_is_missing_is_an_error_before_the_work(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--format", "mask,video")
    assert (code, "bddseg[video]" in err) == (1, True), err
    assert not (tmp_path / "out").exists()

"""What a run writes, and when it goes on with what is there."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import write_tiny_model

import bddseg
from bddseg.data.frames import read_frame
from bddseg.data.masks import read_mask
from bddseg.data.sources import FrameRef, iterate_frames
from bddseg.data.video import index_video, read_video_frames
from bddseg.engine.board import Board
from bddseg.engine.model import load_model, prepare_on_device
from bddseg.engine.outputs import Format, Outputs
from bddseg.engine.pipeline import Pipeline
from bddseg.errors import BddsegError
from bddseg.tasks import get_task
from bddseg.vis.colorize import colorize_masks
from bddseg.vis.overlay import overlay_frames


@pytest.fixture
def sharp(tmp_path) -> Path:
    (tmp_path / "sharp").mkdir()
    return write_tiny_model(tmp_path / "sharp", spread=True)


def list_all(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_several_formats_lie_in_folders_of_their_own(run, sharp, frames, tmp_path):
    out = tmp_path / "out"
    code, _, err = run("infer", sharp, frames, "-o", out, "--format", "mask,color,overlay,rle")
    assert code == 0, err
    names = ("a", "b", "night/c", "night/rain/d", "night/rain/e")
    expected = {
        f"{kind}/{name}.{suffix}"
        for kind, suffix in (("mask", "png"), ("color", "png"), ("overlay", "jpg"), ("rle", "json"))
        for name in names
    }
    assert list_all(out) == expected | {"run.json", "drivable.json"}
    task = get_task("drivable")
    colorize_masks(out / "mask", tmp_path / "color", task)
    overlay_frames(str(frames), out / "mask", tmp_path / "overlay", task)
    for name in names:
        for kind, suffix in (("color", "png"), ("overlay", "jpg")):
            ours = (out / kind / f"{name}.{suffix}").read_bytes()
            assert ours == (tmp_path / kind / f"{name}.{suffix}").read_bytes()


def test_rle_is_what_scalabel_reads_back_as_the_masks(run, sharp, frames, tmp_path):
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
        labels = read_mask(out / "mask" / f"{name}.png")
        rebuilt = np.full_like(labels, 255)
        for label in frame.labels:
            rebuilt[rle_to_mask(label.rle) > 0] = task.classes.index(label.category)
            ids.append(label.id)
        assert np.array_equal(rebuilt, labels)
    assert ids == [str(number) for number in range(1, len(ids) + 1)]


def test_an_unknown_format_is_named(run, tiny, frames, tmp_path):
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--format", "mask,colour")
    assert code == 1
    assert "no format named 'colour'. The nearest: color" in err


def test_what_is_done_is_not_done_again(run, tiny, frames, tmp_path):
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out, "--limit", 2)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    code, text, _ = run("infer", tiny, frames, "-o", out)
    assert code == 0
    assert "3 of 5 frames done" in text
    assert "2 were there already" in text
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (out / "a.png").unlink()
    assert "1 of 5 frames done" in run("infer", tiny, frames, "-o", out)[1]


def test_a_format_added_later_is_added(run, tiny, frames, tmp_path):
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out, "--format", "mask,color")
    code, text, _ = run("infer", tiny, frames, "-o", out, "--format", "mask,color,rle")
    assert code == 0
    assert "5 of 5 frames done" in text
    assert len(list((out / "rle").rglob("*.json"))) == 5


@pytest.mark.parametrize("change", ["weights", "source", "tta", "preprocessing"])
def test_another_run_in_the_same_folder_is_refused(run, tiny, frames, tmp_path, change):
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out)
    before = (out / "run.json").read_text()
    options = []
    if change == "weights":
        state = torch.load(tiny.with_name("tiny.pth"), weights_only=True)
        torch.save({name: tensor * 0 for name, tensor in state.items()}, tiny.with_name("tiny.pth"))
    elif change == "source":
        frames = frames / "night"
    elif change == "tta":
        options = ["--tta"]
    else:
        tiny.write_text(tiny.read_text().replace("size_hw = [64, 96]", "size_hw = [32, 48]"))
    code, _, err = run("infer", tiny, frames, "-o", out, *options)
    assert code == 1
    assert f"{out} holds another run:" in err
    assert "--overwrite" in err
    assert (out / "run.json").read_text() == before
    code, text, _ = run("infer", tiny, frames, "-o", out, *options, "--overwrite")
    assert code == 0
    assert "were there already" not in text


def test_an_overwriting_run_that_stopped_does_not_keep_old_results(run, tiny, frames, tmp_path):
    out = tmp_path / "out"
    run("infer", tiny, frames, "-o", out)
    state = torch.load(tiny.with_name("tiny.pth"), weights_only=True)
    torch.save({name: tensor * 0 for name, tensor in state.items()}, tiny.with_name("tiny.pth"))
    run("infer", tiny, frames, "-o", out, "--overwrite", "--limit", 2)
    code, text, _ = run("infer", tiny, frames, "-o", out)
    assert (code, "3 of 5 frames done" in text) == (0, True)
    assert {int(read_mask(path).max()) for path in out.rglob("*.png")} == {0}


def test_masks_of_unknown_origin_are_not_taken_for_the_runs(run, tiny, frames, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"of somebody else")
    time.sleep(0.02)
    assert "5 of 5 frames done" in run("infer", tiny, frames, "-o", out)[1]


def test_a_damaged_record_is_named(run, tiny, frames, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{")
    code, _, err = run("infer", tiny, frames, "-o", out)
    assert code == 1
    assert "run.json cannot be read as the record of a run" in err


def test_twenty_broken_frames_among_many(tiny, tmp_path):
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
    command = [*bare, sys.executable, "-m", "bddseg", "infer", tiny, source, "-o", out]
    result = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert "480 of 500 frames done" in result.stdout
    assert len(list(out.glob("*.png"))) == 480
    record = json.loads((out / "run.json").read_text())
    named = {Path(failure["frame"]).name for failure in record["failures"]}
    assert named == {f"bad{number}-{name}" for number in range(4) for name in contents}
    assert "Permission denied" in result.stderr


def test_two_frames_of_one_name_are_a_named_failure(run, tiny, frames, tmp_path):
    shutil.copy(frames / "b.png", frames / "a.png")
    code, text, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "5 of 6 frames done" in text
    assert "would both become a" in err


def test_a_link_that_leads_in_a_circle_is_a_named_failure(run, tiny, frames, tmp_path):
    (frames / "round.jpg").symlink_to("round.jpg")
    (frames / "round.png").symlink_to("nowhere")
    code, text, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "5 of 7 frames done" in text
    assert err.count("round.") >= 2


@pytest.mark.timeout(60)
def test_a_run_ends_when_frames_cannot_be_listed(tiny, frames, tmp_path, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(Outputs, "is_done", fail)
    with pytest.raises(ZeroDivisionError):
        bddseg.infer(str(tiny), frames, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "failed"


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
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


def test_any_frame_of_a_video_is_found_by_its_number(video):
    assert len(index_video(video).times) == 75
    for numbers in ([0], [74], [19, 20, 21], [5, 33, 60]):
        found = dict(read_video_frames(video, numbers))
        assert list(found) == numbers
        for number, frame in found.items():
            assert abs(frame.mean() - 3 * number) < 2


def test_frames_of_a_video_are_chosen_and_named_by_number(run, sharp, video, tmp_path):
    out = tmp_path / "out"
    options = ("--start", 10, "--end", 60, "--every", 7)
    code, _, err = run("infer", sharp, video, "-o", out, "--format", "mask,video", *options)
    assert code == 0, err
    numbers = list(range(10, 60, 7))
    assert sorted(path.name for path in (out / "mask").iterdir()) == [
        f"{number:06}.png" for number in numbers
    ]
    model = load_model(str(sharp))
    for number, frame in read_video_frames(video, numbers):
        assert np.array_equal(read_mask(out / "mask" / f"{number:06}.png"), model(frame))
    drawn = index_video(out / "video" / "drive.mp4")
    assert len(drawn.times) == len(numbers)
    assert float(drawn.rate) == pytest.approx(25 / 7, rel=1e-3)


def test_segments_of_a_video_begin_at_key_frames(video):
    refs = list(iterate_frames(str(video)))
    assert [ref.name for ref in refs[:2]] == ["000000", "000001"]
    assert {ref.segment for ref in refs} == {0, 20, 40, 60}
    assert all(ref.segment <= ref.index < ref.segment + 20 for ref in refs)


def test_a_file_that_is_no_video_is_named(run, tiny, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    code, _, err = run("infer", tiny, tmp_path / "bad.mp4", "-o", tmp_path / "out")
    assert code == 1
    assert "bad.mp4 cannot be read as a video" in err


def test_choosing_frames_of_what_is_no_video_is_an_error(run, tiny, frames, tmp_path):
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--every", 2)
    assert code == 1
    assert "choose frames of a video" in err


def make_pipeline(model, outputs, frames, **options):
    tasks = [[FrameRef(path, path.stem)] for path in frames]
    failures = []
    pipeline = Pipeline(
        model,
        outputs,
        draw=lambda: tasks.pop(0) if tasks else [],
        report=failures.append,
        **{"batch_size": 1, "readers": 1, "writers": 1, **options},
    )
    return pipeline, failures


def test_frames_of_one_size_are_batched_and_those_of_many_do_not_wait(sharp, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    rng = np.random.default_rng(0)
    for number in range(30):
        size = (90, 160) if number % 2 else (40 + number, 160)
        cv2.imwrite(str(source / f"{number:02}.png"), rng.integers(0, 256, (*size, 3), np.uint8))
    paths = sorted(source.iterdir())
    model = load_model(str(sharp))
    batches = []
    segment = model.segment
    model.segment = lambda batch: batches.append(len(batch)) or segment(batch)
    outputs = Outputs(tmp_path / "out", [Format.MASK], get_task("drivable"))
    pipeline, failures = make_pipeline(model, outputs, paths, batch_size=4, readers=3, writers=2)
    pipeline.run()
    assert pipeline.done == sum(batches) == 30
    assert 1 < max(batches) <= 4
    assert not failures
    for path in paths:
        agree = read_mask(tmp_path / "out" / f"{path.stem}.png") == model(read_frame(path))
        assert agree.mean() > 0.999


def test_running_out_of_gpu_memory_halves_the_batch(sharp, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(12):
        cv2.imwrite(str(source / f"{number:02}.png"), np.full((90, 160, 3), number, np.uint8))
    model = load_model(str(sharp))
    sizes = []
    segment = model.segment

    def fits_three(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return segment(batch)

    model.segment = fits_three
    outputs = Outputs(tmp_path / "out", [Format.MASK], get_task("drivable"))
    pipeline, failures = make_pipeline(model, outputs, sorted(source.iterdir()), batch_size=8)
    pipeline.run()
    assert (pipeline.done, failures) == (12, [])
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[3:]) <= 2


@pytest.mark.parametrize("round_pixels", [False, True])
def test_what_a_gpu_does_to_frames_is_what_the_cpu_does(sharp, frames, round_pixels):
    text = sharp.read_text().replace("[preprocessing]", "[preprocessing]\nround_pixels = true")
    if round_pixels:
        sharp = sharp.with_name("rounded.toml")
        sharp.write_text(text)
    model = load_model(str(sharp))
    for name in ("a.jpg", "night/c.jpg"):
        frame = read_frame(frames / name)
        (image,) = model.prepare(frame).images
        entry = model.entry.preprocessing
        there = prepare_on_device(
            torch.from_numpy(frame)[None],
            size_hw=tuple(image.shape[1:]),
            mean_rgb=entry.mean_rgb,
            std_rgb=entry.std_rgb,
            round_pixels=entry.round_pixels,
        )
        # A value between two levels may be rounded either way.
        tolerance = 1.001 / min(entry.std_rgb) if round_pixels else 1e-3
        assert (there[0] - image).abs().max() < tolerance


def test_a_board_gives_each_task_once():
    from torch.distributed import HashStore

    store = HashStore()
    board = Board(lambda: store)
    for number in range(3):
        board.pin(number, [FrameRef(Path(f"{number}.jpg"), str(number))])
    board.pin(3, [])
    drawn = [board.draw(lambda: False) for _ in range(4)]
    assert [[ref.name for ref in task] for task in drawn] == [["0"], ["1"], ["2"], []]
    assert board.count_drawn() == 4


def test_the_model_takes_a_batch_and_threads_may_share_it(sharp, frames):
    from concurrent.futures import ThreadPoolExecutor

    model = bddseg.load_model(str(sharp))
    frame = read_frame(frames / "a.jpg")
    several = [frame, frame[:, ::-1].copy(), np.zeros_like(frame)]
    single = [model(each) for each in several]
    batch = model(several)
    assert all((one == other).mean() > 0.999 for one, other in zip(single, batch, strict=True))
    with ThreadPoolExecutor(4) as pool:
        for number, labels in enumerate(pool.map(model, several * 8)):
            assert np.array_equal(labels, single[number % 3])


@pytest.mark.parametrize(
    "frame", [np.zeros((9, 16), np.uint8), np.zeros((9, 16, 3), np.float32)], ids=["grey", "float"]
)
def test_what_is_no_frame_is_refused(tiny, frame):
    with pytest.raises(BddsegError, match="A frame is RGB"):
        load_model(str(tiny))([frame])


def test_infer_is_a_function_too(tiny, frames, tmp_path):
    record = bddseg.infer(str(tiny), frames, tmp_path / "out", formats=["mask", "overlay"], limit=2)
    assert (record.status, record.done) == ("finished", 2)
    assert (tmp_path / "out" / "overlay" / "a.jpg").is_file()

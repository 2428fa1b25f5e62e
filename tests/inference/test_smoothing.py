"""Averages of logits over time: what they are, where they start again, and what excludes them."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from inference.test_finite_logits import make_model
from support import Run, write_tiny_model

import bddseg
from bddseg.data.mask import read_mask
from bddseg.data.sources.source import Selection
from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor
from bddseg.types import Image
from bddseg.vis.video import write_video


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML of a model whose masks hold several classes."""
    return write_tiny_model(tmp_path_factory.mktemp("model"), spread=True)


@pytest.fixture(scope="module")
def model(entry: Path) -> Predictor:
    return bddseg.load_model(entry, device="cpu")


def film(scene: int, count: int, width: int = 128) -> list[Image]:
    """Return frames of a scene that moves by a pixel a frame, (72, width, 3)."""
    small = np.random.default_rng(scene).integers(0, 256, (9, 30, 3), np.uint8)
    panorama = cv2.resize(small, (width + count, 72), interpolation=cv2.INTER_CUBIC)
    return [panorama[:, n : n + width].astype(np.uint8) for n in range(count)]


def write_frames(folder: Path, frames: list[Image], name: str = "{:03}.png") -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / name.format(number)), frame[..., ::-1])


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    """Two folders of one scene, the second of which goes on where the first ends."""
    frames = film(1, 12)
    write_frames(tmp_path / "drives" / "a", frames[:8])
    write_frames(tmp_path / "drives" / "b", frames[8:])
    return tmp_path / "drives"


def read_masks(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.png")}


def test_logits_are_an_exponential_average_that_starts_again_at_a_cut(model: Predictor) -> None:
    frames = film(1, 4) + film(2, 3)
    single = [model(frame).logits() for frame in frames]
    average = single[0]
    changed = 0
    for number, prediction in enumerate(model.stream(frames, smooth=0.4)):
        is_first = number in (0, 4)
        average = single[number] if is_first else 0.6 * average + 0.4 * single[number]
        assert np.allclose(prediction.logits(), average, atol=1e-4)
        assert np.array_equal(prediction.labels, prediction.logits().argmax(axis=0))
        is_changed = not np.array_equal(prediction.labels, single[number].argmax(axis=0))
        assert not (is_first and is_changed)
        changed += is_changed
    assert changed >= 4


def test_light_that_changes_is_no_cut(model: Predictor) -> None:
    bright, dark = film(1, 2)
    dark = (dark * 0.3).astype(np.uint8)
    *_, last = model.stream([bright, dark], smooth=0.5)
    expected = (model(bright).logits() + model(dark).logits()) / 2
    assert np.allclose(last.logits(), expected, atol=1e-4)


def test_each_folder_is_a_sequence(model: Predictor, drives: Path) -> None:
    predictions = {each.name: each.labels for each in model.stream(drives, smooth=0.3)}
    by_itself = {f"b/{each.name}": each for each in model.stream(drives / "b", smooth=0.3)}
    for name, prediction in by_itself.items():
        assert np.array_equal(predictions[name], prediction.labels)
    assert not np.array_equal(predictions["b/003"], model(drives / "b" / "003.png").labels)


@pytest.mark.parametrize("is_video", [False, True])
def test_a_run_gives_the_masks_of_a_stream(
    model: Predictor, entry: Path, drives: Path, tmp_path: Path, is_video: bool
) -> None:
    source = drives
    if is_video:
        source = tmp_path / "drive.mp4"
        write_video(source, film(1, 40) + film(2, 5), Fraction(10))
    record = bddseg.infer(entry, source, tmp_path / "out", smooth=0.3, device="cpu")
    assert record is not None and not record.failures
    for prediction in model.stream(source, smooth=0.3):
        mask = read_mask(tmp_path / "out" / "masks" / f"{prediction.name}.png")
        assert np.array_equal(mask, prediction.labels)


def test_a_run_that_is_resumed_gives_the_same_masks(
    entry: Path, drives: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bddseg.infer(entry, drives, out, smooth=0.2, device="cpu")
    expected = read_masks(out)
    # What a run that stopped leaves, and masks that would show if they were kept.
    for number in range(5, 8):
        (out / "masks" / "a" / f"{number:03}.png").unlink()
    shutil.copy(out / "masks" / "a" / "000.png", out / "masks" / "a" / "003.png")
    record = bddseg.infer(entry, drives, out, smooth=0.2, device="cpu")
    assert record is not None
    assert (record.done, record.skipped) == (8, 4)
    assert read_masks(out) == expected
    record = bddseg.infer(entry, drives, out, smooth=0.2, device="cpu")
    assert record is not None
    assert (record.done, record.skipped) == (0, 12)


def test_a_run_with_another_weight_or_other_frames_between_is_another_run(
    run: Run, entry: Path, drives: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("infer", entry, drives, "-o", out, "--smooth", 0.5)[0] == 0
    changes = {(): "smooth was {'weight': 0.5", ("--smooth", 0.4): "smooth.weight was 0.5 and is"}
    for options, change in changes.items():
        code, _, err = run("infer", entry, drives, "-o", out, *options)
        assert (code, f"holds another run: {change}" in err) == (1, True), err
    video = tmp_path / "drive.mp4"
    write_video(video, film(1, 9), Fraction(10))
    smoothed = ("-o", tmp_path / "out2", "--smooth", 0.5)
    assert run("infer", entry, video, *smoothed)[0] == 0
    for other in (("--every", 2), ("--start", 3)):
        code, _, err = run("infer", entry, video, *smoothed, *other)
        assert (code, f"holds another run: smooth.{other[0][2:]} was" in err) == (1, True), err
    assert run("infer", entry, video, *smoothed, "--end", 5)[0] == 0


def test_frames_that_cannot_be_read_are_left_out(
    model: Predictor, entry: Path, drives: Path, tmp_path: Path
) -> None:
    (drives / "a" / "003.png").write_text("no image")
    record = bddseg.infer(entry, drives / "a", tmp_path / "out", smooth=0.3, device="cpu")
    assert record is not None
    assert (record.done, len(record.failures)) == (7, 1)
    *_, last = model.stream([film(1, 12)[n] for n in (0, 1, 2, 4, 5, 6, 7)], smooth=0.3)
    assert np.array_equal(read_mask(tmp_path / "out" / "masks" / "007.png"), last.labels)


def test_what_excludes_smoothing_is_refused(
    run: Run, entry: Path, drives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*options: object) -> str:
        code, _, err = run("infer", entry, drives, "-o", tmp_path / "out", *options)
        assert code in (1, 2)
        assert not (tmp_path / "out").exists()
        return err

    assert "this run has 2 workers" in refuse("--smooth", 0.5, "--workers", 2)
    assert "--batch-size is 4" in refuse("--smooth", 0.5, "--batch-size", 4)
    assert "above 0 and at most 1, not 0.0" in refuse("--smooth", 0)
    assert "1.5 is not in the range" in refuse("--smooth", 1.5)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert "this run has 3 workers" in refuse("--smooth", 0.5)


def test_frames_that_are_no_sequence_are_refused(
    model: Predictor, entry: Path, tmp_path: Path
) -> None:
    sizes = tmp_path / "sizes"
    write_frames(sizes, [*film(1, 2), *film(1, 1, width=96)])
    with pytest.raises(BddsegError, match="002 has 96x72 pixels, and 001 before it 128x72"):
        list(model.stream(sizes, smooth=0.5))
    unsorted = tmp_path / "unsorted"
    write_frames(unsorted, film(1, 11), "frame{}.left.png")
    message = r"frame10\.left comes before frame2\.left.*leading zeros"
    with pytest.raises(BddsegError, match=message):
        bddseg.infer(entry, unsorted, tmp_path / "out", smooth=0.5)
    with pytest.raises(BddsegError, match=message):
        list(model.stream(unsorted, smooth=0.5))
    # The order in which a user lists them is theirs.
    listed = tmp_path / "frames.txt"
    listed.write_text("\n".join(f"unsorted/frame{n}.left.png" for n in range(11)))
    record = bddseg.infer(entry, listed, tmp_path / "out2", smooth=0.5)
    assert record is not None and record.done == 11


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.1, float("nan")])
def test_a_weight_that_makes_no_average_is_refused(model: Predictor, weight: float) -> None:
    with pytest.raises(BddsegError, match="above 0 and at most 1"):
        next(model.stream(film(1, 2), smooth=weight))


def test_a_stream_with_smoothing_asks_for_one_frame_at_a_time(model: Predictor) -> None:
    asked = 0

    def generate() -> Iterator[Image]:
        nonlocal asked
        for frame in film(1, 5):
            asked += 1
            yield frame

    stream = model.stream(generate(), selection=Selection(), smooth=0.5)
    assert [next(stream).name, next(stream).name] == ["000000", "000001"]
    assert asked == 2


@pytest.mark.parametrize("tta", [False, True])
def test_logits_that_overflow_half_precision_never_enter_an_average(tta: bool) -> None:
    dark = np.zeros((32, 48, 3), np.uint8)
    dark += np.arange(100, 124, dtype=np.uint8).repeat(2)[None, :, None]
    frames = [dark, dark + np.uint8(130), dark]
    half, exact = (make_model(precision, tta=tta)[0] for precision in ("fp16", "fp32"))
    pairs = zip(*(model.stream(frames, smooth=0.5) for model in (half, exact)), strict=True)
    for got, expected in pairs:
        assert got.raw_logits is not None and expected.raw_logits is not None
        assert torch.isfinite(got.raw_logits).all()
        assert torch.allclose(got.raw_logits, expected.raw_logits, rtol=1e-3, atol=1e-3)
        assert np.array_equal(got.labels, expected.labels)

"""The rule of every command that writes: no input is lost, and no file of somebody else."""

import os
import shutil
import stat
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Run, write_tiny_model

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.vis.video import write_video

pytest.importorskip("av")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames, masks, a video of three frames, and files of somebody else."""
    root = tmp_path_factory.mktemp("origin")
    write_tiny_model(root)
    grey = np.full((64, 96, 3), 128, np.uint8)
    labels = np.full((64, 96), 2, np.uint8)
    for name in ("a", "b"):
        write_jpeg(root / "s" / f"{name}.jpg", grey)
        write_mask(root / "m" / f"{name}.png", labels)
        write_mask(root / "legacy" / f"{name}.png", np.zeros((64, 96), np.uint8))
    write_video(root / "data" / "videos" / "drive.mp4", [grey] * 3, Fraction(10))
    for number in range(3):
        write_mask(root / "vm" / f"{number:06}.png", labels)
    (root / "labels" / "masks").mkdir(parents=True)
    for name in ("labels/masks/a.png", "old/a.png", "old/a.jpg", "scores.json", "masks.zip"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of somebody else")
    # x.jpg would become masks/x.png, which is another frame of the list.
    write_jpeg(root / "list" / "x.jpg", grey)
    (root / "list" / "masks").mkdir()
    cv2.imwrite(str(root / "list" / "masks" / "x.png"), grey)
    (root / "list" / "frames.txt").write_text("x.jpg\nmasks/x.png\n")
    (root / "linked").mkdir()
    (root / "linked" / "a.jpg").symlink_to("../s/a.jpg")
    return root


@pytest.fixture
def work(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same files, in the current folder."""
    shutil.copytree(origin, tmp_path / "work", symlinks=True)
    os.link(tmp_path / "work" / "s" / "b.jpg", tmp_path / "work" / "linked" / "b.jpg")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def read_all(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("--overwrite",)], ids=["", "overwrite"])
@pytest.mark.parametrize(
    "words",
    [
        "vis overlay -i s -r m -o s",
        "vis overlay -i s -r m -o linked",
        "vis overlay -i s/a.jpg -r m -o s",
        "vis overlay -i s -r m -o m --format png",
        "vis errors -i s -g m -r m -o s",
        "vis colorize -i m -o m",
        "vis video -i data/videos/drive.mp4 -r vm -o data/videos/drive.mp4",
        "eval -g m -r m --out-file m/a.png",
        "eval -g m -r m --per-image m/a.png",
        "labels convert legacy -o legacy --from legacy",
        "infer tiny.toml s -o s",
        "infer tiny.toml data/videos/drive.mp4 -o data --format video",
        "infer tiny.toml list/frames.txt -o list",
    ],
)
def test_an_input_is_never_written_over(
    run: Run, work: Path, words: str, options: tuple[str, ...]
) -> None:
    before = read_all(work)
    code, _, err = run(*words.split(), *options)
    assert (code, "Choose an" in err) == (1, True), err
    assert read_all(work) == before


@pytest.mark.parametrize(
    "words",
    [
        "vis overlay -i s -r m -o old",
        "vis errors -i s -g m -r m -o old",
        "vis colorize -i m -o old",
        "vis grid -i s -o s/a.jpg",
        "vis grid -i m -o s/a.jpg",
        "vis video -i s -r m -o data/videos/drive.mp4",
        "eval -g m -r m --out-file s/a.jpg",
        "eval -g m -r m --out-file scores.json",
        "eval -g m -r m --per-image scores.json",
        "labels convert legacy -o old --from legacy",
        "labels convert m -o scores.json --from current --to rle",
        "package -r m -o masks.zip --partial",
        "infer tiny.toml s -o labels",
    ],
)
def test_a_file_of_somebody_else_is_replaced_only_with_overwrite(
    run: Run, work: Path, words: str
) -> None:
    before = read_all(work)
    code, _, err = run(*words.split())
    assert (code, "exists already" in err, "--overwrite" in err) == (1, True, True), err
    assert read_all(work) == before
    run(*words.split(), "--overwrite")
    changed = read_all(work)
    # The server would refuse masks of this size.
    assert (changed == before) == words.startswith("package")


def test_results_do_not_lie_among_the_frames(run: Run, work: Path) -> None:
    code, _, err = run("infer", "tiny.toml", "s", "-o", "s/out")
    assert (code, "s/out is in the folder of the frames, s" in err) == (1, True)
    assert not (work / "s" / "out").exists()
    for _ in range(2):
        assert run("infer", "tiny.toml", "s", "-o", "s/out", "--overwrite")[0] == 0
    assert sorted(path.name for path in (work / "s" / "out" / "masks").iterdir()) == [
        "a.png",
        "b.png",
    ]
    # A run that is there already is resumed.
    assert "All 2 frames were done already" in run("infer", "tiny.toml", "s", "-o", "s/out")[1]


def test_a_demo_replaces_an_earlier_demo_alone(run: Run, work: Path) -> None:
    (work / "colormaps").mkdir()
    (work / "colormaps" / "scene-002.png").write_bytes(b"of somebody else")
    code, _, err = run("demo", "-o", work)
    assert (code, "scene-002.png exists already" in err) == (1, True)
    assert (work / "colormaps" / "scene-002.png").read_bytes() == b"of somebody else"


def test_what_a_list_names_outside_of_it_stays_in_the_output(run: Run, work: Path) -> None:
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "list.txt").write_text("../../s/a.jpg\n../c.jpg\n")
    (work / "deep" / "c.jpg").write_bytes((work / "s" / "b.jpg").read_bytes())
    before = set(read_all(work))
    code, _, err = run("infer", "tiny.toml", "deep/er/list.txt", "-o", "deep/er/out")
    assert code == 0, err
    written = {path.relative_to(work).as_posix() for path in set(read_all(work)) - before}
    masks = {"deep/er/out/masks/s/a.png", "deep/er/out/masks/deep/c.png"}
    assert written == masks | {"deep/er/out/run.json", "deep/er/out/manifest.jsonl"}


@pytest.mark.parametrize("option", ["--out-file", "--per-image"])
def test_a_pipe_is_written_to_and_not_replaced(run: Run, work: Path, option: str) -> None:
    pipe = work / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    code, _, err = run("eval", "-g", "m", "-r", "m", option, pipe)
    assert code == 0, err
    reader.join(10)
    assert received and len(received[0]) > 50
    assert stat.S_ISFIFO(pipe.stat().st_mode)

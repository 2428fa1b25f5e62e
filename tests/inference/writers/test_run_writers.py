"""What the writers of a run say about its frames; what they write is tested with `bddseg infer`."""

import os
from pathlib import Path

import numpy as np
import pytest

from bddseg.data.mask import write_mask
from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.inference.writers.writer import WRITERS, RunWriters
from bddseg.tasks.bdd100k import DRIVABLE
from bddseg.testing import check_writer


def open_writers(out: Path, *formats: str) -> RunWriters:
    return RunWriters(out, formats, [DRIVABLE], "frames")


def write(path: Path, time_s: float) -> None:
    write_mask(path, np.zeros((2, 2), np.uint8))
    os.utime(path, (time_s, time_s))


@pytest.mark.parametrize(
    ("frame_s", "mask_s", "since_s", "done"),
    [(1, 2, 0, True), (2, 2, 2, True), (3, 2, 0, False), (1, 2, 3, False), (None, 2, 1, True)],
)
def test_a_frame_is_done_if_its_results_are_newer_than_it_and_than_the_run(
    tmp_path: Path, frame_s: float | None, mask_s: float, since_s: float, done: bool
) -> None:
    write(tmp_path / "masks" / "a.png", mask_s)
    if frame_s is not None:
        write(tmp_path / "a.png", frame_s)
    ref = FrameRef(str(tmp_path / "a.png"), "a")
    assert open_writers(tmp_path, "mask").is_done(ref, int(since_s * 1e9)) == done
    assert not open_writers(tmp_path, "mask", "rle").is_done(ref, 0)


def test_a_frame_without_files_of_its_own_is_never_done(tmp_path: Path) -> None:
    assert not open_writers(tmp_path).is_done(FrameRef("a.jpg", "a"), 0)


def test_a_frame_among_the_results_is_refused_and_others_are_not(tmp_path: Path) -> None:
    write(tmp_path / "masks" / "a.png", 1)
    write(tmp_path / "b.png", 1)
    (tmp_path / "link.png").symlink_to(tmp_path / "masks" / "a.png")
    writers = open_writers(tmp_path, "mask")
    good = [FrameRef(str(tmp_path / "b.png"), "b"), FrameRef("c.jpg", "c")]
    assert list(writers.check_frames(good)) == good
    for bad in ("masks/a.png", "link.png"):
        with pytest.raises(BddsegError, match=f"{bad} is an input and would be overwritten"):
            list(writers.check_frames([*good, FrameRef(str(tmp_path / bad), "x")]))


@pytest.mark.parametrize("name", ["mask", "colormap", "overlay", "rle", "probability", "logits"])
def test_every_format_does_what_a_writer_has_to_do(tmp_path: Path, name: str) -> None:
    check_writer(WRITERS.load(name), tmp_path)

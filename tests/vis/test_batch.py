"""Matching frames with masks, and drawing many images."""

from pathlib import Path

import numpy as np
import pytest

from bddseg.data.label_set import open_label_set
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.tasks.task import Task
from bddseg.vis.batch import DrawJob, DrawOptions, draw_images, match_frames
from bddseg.vis.colorize import colorize_masks
from bddseg.vis.overlay import overlay_frames

RESUME = DrawOptions(resume=True)


def test_masks_are_found_by_path_and_by_file_name(
    frames: Path, masks: Path, tmp_path: Path, drivable: Task
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in masks.rglob("*.png"):
        (flat / path.name).write_bytes(path.read_bytes())
    for folder, expected in ((masks, "night/rain/d"), (flat, "d")):
        found = match_frames(str(frames), [open_label_set(folder, drivable)])
        refs = {frame.name: ref.name for frame, (ref,) in found.matched}
        assert list(refs) == ["a", "b", "night/c", "night/rain/d"]
        assert refs["night/rain/d"] == expected
        assert [path.name for path in found.unpaired] == ["e.bmp"]


def test_a_file_name_that_two_masks_have_is_an_error(
    frames: Path, tmp_path: Path, drivable: Task
) -> None:
    for folder in ("x", "y"):
        write_mask(tmp_path / "masks" / folder / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(BddsegError, match="a could belong to"):
        match_frames(str(frames), [open_label_set(tmp_path / "masks", drivable)])


def test_folders_without_a_common_name_are_an_error(
    frames: Path, tmp_path: Path, drivable: Task
) -> None:
    write_mask(tmp_path / "masks" / "z.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(BddsegError, match=r"No frame of .*frames \(such as a\) has a mask in"):
        match_frames(str(frames), [open_label_set(tmp_path / "masks", drivable)])


def test_resuming_keeps_images_that_are_newer_than_their_inputs(
    frames: Path, masks: Path, tmp_path: Path, drivable: Task
) -> None:
    out = tmp_path / "o"
    assert overlay_frames(str(frames), masks, out, drivable, options=RESUME).drawn == 4
    first = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    result = overlay_frames(str(frames), masks, out, drivable, options=RESUME)
    assert (result.drawn, result.kept) == (0, 4)
    changed, removed, *_ = sorted(masks.rglob("*.png"))
    changed.touch()
    (out / removed.relative_to(masks)).with_suffix(".jpg").unlink()
    result = overlay_frames(str(frames), masks, out, drivable, options=RESUME)
    assert (result.drawn, result.kept) == (2, 2)
    again = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert sum(first[path] != again[path] for path in first) == 2


def test_a_failure_does_not_stop_the_others(masks: Path, tmp_path: Path, drivable: Task) -> None:
    (masks / "broken.png").write_text("not an image")
    result = colorize_masks(masks, tmp_path / "o", drivable, options=DrawOptions(num_threads=2))
    assert result.drawn == 4
    assert ["broken.png cannot be read" in error.message for error in result.failures] == [True]
    assert len(list((tmp_path / "o").rglob("*.png"))) == 4


def test_an_output_that_cannot_be_written_is_a_failure(
    masks: Path, tmp_path: Path, drivable: Task
) -> None:
    (tmp_path / "file").write_text("")
    result = colorize_masks(masks, tmp_path / "file", drivable)
    assert (result.drawn, len(result.failures)) == (0, 4)
    assert f"Cannot write {tmp_path / 'file'}" in result.failures[0].message


def test_an_image_never_overwrites_its_input(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"input")
    (tmp_path / "link.png").symlink_to(path)
    job = DrawJob(target=tmp_path / "link.png", inputs=(path,), draw=lambda: (b"output", ""))
    for overwrite in (False, True):
        with pytest.raises(BddsegError, match=r"link\.png is an input and would be overwritten"):
            draw_images([job], "Drawing", options=DrawOptions(overwrite=overwrite))
    assert path.read_bytes() == b"input"

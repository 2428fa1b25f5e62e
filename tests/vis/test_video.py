"""Overlay videos, decoded again."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from bddseg.data.image import write_jpeg
from bddseg.data.mask import read_mask, write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.tasks.task import Task
from bddseg.types import Image
from bddseg.vis.batch import DrawOptions
from bddseg.vis.overlay import OverlayStyle
from bddseg.vis.video import overlay_video

av = pytest.importorskip("av", reason="needs the video extra")

COUNT = 12


def decode(path: Path) -> tuple[Fraction, list[Image]]:
    """Frames per second, and the frames."""
    with av.open(str(path)) as container:
        fps = container.streams.video[0].average_rate
        return fps, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def shade(number: int) -> int:
    return 40 + 10 * number


def write_frames(root: Path, height: int, width: int) -> Path:
    """Grey frames, each brighter than the one before; the left half is drivable."""
    labels = np.full((height, width), 2, np.uint8)
    labels[:, : width // 2] = 0
    for number in range(COUNT):
        grey = np.full((height, width, 3), shade(number), np.uint8)
        write_jpeg(root / "frames" / f"{number:06}.jpg", grey)
        write_mask(root / "masks" / f"{number:06}.png", labels)
    return root


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Frames and masks of a size that H.264 can store."""
    return write_frames(tmp_path, 96, 160)


@pytest.fixture
def odd_drive(tmp_path: Path) -> Path:
    """Frames and masks with an odd height and width."""
    return write_frames(tmp_path, 97, 161)


def check(
    images: Sequence[Image], numbers: Sequence[int], *, left: int = 0, width: int = 160
) -> None:
    """Check size, number, order and colors of overlays that begin at column `left`."""
    assert len(images) == len(numbers)
    for number, image in zip(numbers, images, strict=True):
        assert image.shape[0] == 96
        plain = image[20:76, left + width // 2 + 20 : left + width - 20].mean(axis=(0, 1))
        assert np.abs(plain - shade(number)).max() < 6
        blended = image[20:76, left + 10 : left + width // 2 - 20].mean(axis=(0, 1))
        expected = (np.array([219, 94, 86]) + shade(number)) / 2
        assert np.abs(blended - expected).max() < 8


@pytest.mark.parametrize("fixture", ["drive", "odd_drive"])
def test_a_video_of_a_folder_shows_all_frames_in_order(
    request: pytest.FixtureRequest, drivable: Task, fixture: str
) -> None:
    root: Path = request.getfixturevalue(fixture)
    out = root / "o" / "v.mp4"
    frames = str(root / "frames")
    assert overlay_video(frames, root / "masks", out, drivable, fps=Fraction(10)).drawn == COUNT
    fps, images = decode(out)
    assert fps == 10
    assert images[0].shape == (96, 160, 3)
    check(images, range(COUNT))
    assert [path.name for path in out.parent.iterdir()] == ["v.mp4"]


def test_the_video_may_be_in_the_folder_of_its_frames(drive: Path, drivable: Task) -> None:
    out = drive / "frames" / "v.mp4"
    for overwrite in (False, True):
        options = DrawOptions(overwrite=overwrite)
        result = overlay_video(str(out.parent), drive / "masks", out, drivable, options=options)
        assert result.drawn == COUNT


@pytest.mark.parametrize("fixture", ["drive", "odd_drive"])
def test_side_by_side_shows_frame_and_overlay(
    request: pytest.FixtureRequest, drivable: Task, fixture: str
) -> None:
    root: Path = request.getfixturevalue(fixture)
    out = root / "v.mp4"
    overlay_video(str(root / "frames"), root / "masks", out, drivable, side_by_side=True)
    _, images = decode(out)
    width = images[0].shape[1] // 2
    assert width in (160, 161)
    check(images, range(COUNT), left=width, width=width)
    for number, image in enumerate(images):
        assert np.abs(image[10:86, 10 : width - 10].mean() - shade(number)) < 4


@pytest.mark.parametrize("results", ["masks", "rle.json"])
def test_a_video_of_a_video_has_the_frames_that_have_masks(
    drive: Path, drivable: Task, results: str
) -> None:
    source = drive / "drive.mp4"
    overlay_video(
        str(drive / "frames"),
        drive / "masks",
        source,
        drivable,
        style=OverlayStyle(alpha=0),
        fps=Fraction(24),
    )
    for number in range(COUNT):
        if number % 3:
            (drive / "masks" / f"{number:06}.png").unlink()
    masks = sorted((drive / "masks").iterdir())
    write_scalabel(
        drive / "rle.json",
        [encode_frame(path.stem, read_mask(path), drivable) for path in masks],
    )
    out = drive / "v.mp4"
    assert overlay_video(str(source), drive / results, out, drivable).drawn == 4
    fps, images = decode(out)
    assert fps == 8
    check(images, range(0, COUNT, 3))
    options = DrawOptions(limit=2, overwrite=True)
    assert overlay_video(str(source), drive / results, out, drivable, options=options).drawn == 2


def test_frames_without_masks_or_of_another_size_are_handled(drive: Path, drivable: Task) -> None:
    (drive / "masks" / "000003.png").unlink()
    (drive / "frames" / "000004.jpg").write_text("broken")
    large = np.full((192, 320, 3), shade(5), np.uint8)
    cv2.imwrite(str(drive / "frames" / "000005.jpg"), large)
    result = overlay_video(str(drive / "frames"), drive / "masks", drive / "v.mp4", drivable)
    assert ["000004.jpg" in error.message for error in result.failures] == [True]
    assert [path.name for path in result.unpaired] == ["000003.jpg"]
    assert ["000005.png is 160x96" in note for note in result.resized] == [True]
    fps, images = decode(drive / "v.mp4")
    assert fps == 30
    check(images, [0, 1, 2, *range(5, COUNT)])


def rename_masks(root: Path) -> None:
    for path in (root / "masks").iterdir():
        path.rename(path.with_name(f"x{path.name}"))


def remove_masks(root: Path) -> None:
    for path in (root / "masks").iterdir():
        path.unlink()


def damage_frames(root: Path) -> None:
    for path in (root / "frames").iterdir():
        path.write_text("broken")


def block_output(root: Path) -> None:
    (root / "o").write_text("")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (block_output, "Cannot write"),
        (remove_masks, "holds no masks"),
        (rename_masks, "No frame of .* has a mask in"),
        (damage_frames, "would be empty: no frame could be drawn"),
    ],
)
def test_no_file_is_written_if_there_is_nothing_to_show(
    drive: Path, drivable: Task, change: Callable[[Path], None], message: str
) -> None:
    change(drive)
    out = drive / "o" / "v.mp4"
    with pytest.raises(BddsegError, match=message):
        overlay_video(str(drive / "frames"), drive / "masks", out, drivable)
    assert not out.exists()


def test_masks_of_a_video_are_named_by_frame_number(drive: Path, drivable: Task) -> None:
    source = drive / "drive.mp4"
    overlay_video(str(drive / "frames"), drive / "masks", source, drivable)
    rename_masks(drive)
    with pytest.raises(BddsegError, match="is named after a frame number of"):
        overlay_video(str(source), drive / "masks", drive / "v.mp4", drivable)


def test_two_masks_of_one_frame_are_refused(drive: Path, drivable: Task) -> None:
    overlay_video(str(drive / "frames"), drive / "masks", drive / "v.mp4", drivable)
    # What looks like a number to Python, and is none.
    write_mask(drive / "masks" / "².png", read_mask(drive / "masks" / "000001.png"))
    overlay_video(str(drive / "v.mp4"), drive / "masks", drive / "w.mp4", drivable)
    write_mask(drive / "masks" / "b" / "3.png", read_mask(drive / "masks" / "000001.png"))
    with pytest.raises(
        BddsegError, match=r"000003\.png and .*b/3\.png are both masks of frame 3\."
    ):
        overlay_video(str(drive / "v.mp4"), drive / "masks", drive / "x.mp4", drivable)


def test_a_video_is_an_mp4_file_and_not_its_own_source(drive: Path, drivable: Task) -> None:
    with pytest.raises(BddsegError, match=r"v\.gif is not an MP4 file"):
        overlay_video(str(drive / "frames"), drive / "masks", drive / "v.gif", drivable)
    source = drive / "drive.mp4"
    overlay_video(str(drive / "frames"), drive / "masks", source, drivable)
    before = source.read_bytes()
    with pytest.raises(BddsegError, match="would be overwritten"):
        overlay_video(str(source), drive / "masks", source, drivable)
    assert source.read_bytes() == before

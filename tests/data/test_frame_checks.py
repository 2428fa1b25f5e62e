"""Frames that two sets share, and sizes that differ."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from bddseg.data.frame_checks import SharedFrame, check_sizes, find_shared_frames
from bddseg.data.image import read_image, write_jpeg
from bddseg.data.label_set import MaskFile
from bddseg.data.labeled_frames import LabeledFrame
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError

SIZE_HW = (90, 160)


def write_frame(path: Path, seed: int) -> None:
    """Write a frame with some shapes, which other seeds have elsewhere."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 9, 3), np.uint8)
    image = cv2.resize(small, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC)
    write_jpeg(path, image.astype(np.uint8, copy=False))


def list_frames(folder: Path) -> list[LabeledFrame]:
    return [
        LabeledFrame(
            name=path.stem, image=path, labels=MaskFile(path.stem, path.with_suffix(".png"))
        )
        for path in sorted(folder.glob("*.jpg"))
    ]


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of three frames each; their names are equal, as numbers are."""
    for number in range(3):
        write_frame(tmp_path / "train" / f"{number:04}.jpg", number)
        write_frame(tmp_path / "val" / f"{number:04}.jpg", 10 + number)
    return tmp_path / "train", tmp_path / "val"


def find(sets: tuple[Path, Path]) -> list[SharedFrame]:
    return find_shared_frames(*map(list_frames, sets))


def test_other_frames_of_the_same_name_are_not_shared(sets: tuple[Path, Path]) -> None:
    assert find(sets) == []


def test_an_equal_file_is_shared_whatever_its_name(sets: tuple[Path, Path]) -> None:
    train, val = sets
    shutil.copy(train / "0001.jpg", val / "other.jpg")
    assert find(sets) == [SharedFrame(train / "0001.jpg", val / "other.jpg", is_identical=True)]


def test_files_of_equal_size_are_compared(sets: tuple[Path, Path]) -> None:
    train, val = sets
    content = (train / "0001.jpg").read_bytes()
    (val / "other.jpg").write_bytes(content[:-2] + b"xx")
    assert find(sets) == []


def test_a_smaller_copy_of_the_same_name_is_shared(sets: tuple[Path, Path]) -> None:
    train, val = sets
    half = cv2.resize(read_image(train / "0002.jpg"), None, fx=0.5, fy=0.5)
    write_jpeg(val / "0002.jpg", half.astype(np.uint8, copy=False), quality=40)
    assert find(sets) == [SharedFrame(train / "0002.jpg", val / "0002.jpg", is_identical=False)]


def test_images_without_contrast_or_that_cannot_be_read_are_no_copies(
    sets: tuple[Path, Path],
) -> None:
    train, val = sets
    for folder, grey in ((train, 10), (val, 200)):
        write_jpeg(folder / "0000.jpg", np.full((*SIZE_HW, 3), grey, np.uint8))
    (val / "0001.jpg").write_bytes(b"damaged")
    (train / "0002.jpg").write_bytes(b"")
    (val / "0002.jpg").write_bytes(b"")
    assert find(sets) == []


def test_sizes_of_images_and_labels_are_compared(sets: tuple[Path, Path]) -> None:
    train, _ = sets
    for path in train.glob("*.jpg"):
        write_mask(path.with_suffix(".png"), np.zeros(SIZE_HW, np.uint8))
    frames = list_frames(train)
    check_sizes(frames, 100)
    write_mask(train / "0001.png", np.zeros((90, 161), np.uint8))
    with pytest.raises(BddsegError, match=r"0001\.jpg is 160x90, and its labels .* are 161x90"):
        check_sizes(frames, 100)
    # Of three, the first and the last one.
    check_sizes(frames, 2)
    (train / "0000.png").write_bytes(b"damaged")
    with pytest.raises(BddsegError, match=r"0000\.png cannot be read"):
        check_sizes(frames, 2)

"""The frames of a recipe: found in folders, and checked before the first step."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from bddseg_train.data import open_data
from bddseg_train.recipe import Data, Split

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.tasks.task import get_task

TASK = get_task("drivable")
SIZE_HW = (48, 64)


def write_split(folder: Path, numbers: range) -> None:
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZE_HW, 3), np.uint8)
        write_jpeg(folder / "images" / f"{number}.jpg", pixels)
        labels = np.full(SIZE_HW, 2, np.uint8)
        labels[24:36], labels[36:] = 1, 0
        write_mask(folder / "masks" / f"{number}.png", labels)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_split(tmp_path / "train", range(4))
    write_split(tmp_path / "val", range(10, 12))
    return tmp_path


def test_a_root_has_both_sets(root: Path) -> None:
    data = open_data(Data(root=str(root), limit=3), TASK)
    assert len(data.train) == 3
    assert data.validation is not None and len(data.validation) == 2
    assert not data.notes


def test_splits_of_a_recipe_come_before_the_root(root: Path) -> None:
    val = Split(images=str(root / "val" / "images"), labels=str(root / "val" / "masks"))
    data = open_data(Data(train=val), TASK)
    assert len(data.train) == 2 and data.validation is None
    assert "the network is not scored" in " ".join(data.notes)


def test_a_frame_in_both_sets_is_refused(root: Path) -> None:
    shutil.copy(root / "train" / "images" / "1.jpg", root / "val" / "images" / "x.jpg")
    shutil.copy(root / "train" / "masks" / "1.png", root / "val" / "masks" / "x.png")
    with pytest.raises(BddsegError, match=r"share frames, 1 at least: .*1\.jpg and .*x\.jpg"):
        open_data(Data(root=str(root)), TASK)


def test_sizes_that_differ_are_an_error(root: Path) -> None:
    write_mask(root / "train" / "masks" / "2.png", np.full((24, 64), 2, np.uint8))
    with pytest.raises(BddsegError, match=r"2\.jpg is 64x48, and its labels .* are 64x24"):
        open_data(Data(root=str(root)), TASK)


def test_ids_that_are_no_class_are_an_error(root: Path) -> None:
    write_mask(root / "train" / "masks" / "2.png", np.full(SIZE_HW, 9, np.uint8))
    with pytest.raises(BddsegError, match=r"2\.png"):
        open_data(Data(root=str(root)), TASK)


def test_a_folder_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match="holds no data of the task drivable"):
        open_data(Data(root=str(tmp_path)), TASK)

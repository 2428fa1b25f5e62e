"""The frames of a recipe: found in folders, and checked before the first step."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import msgspec
import numpy as np
import pytest
from bddseg_train.data import check_crop, open_data
from bddseg_train.recipe import Data, Optimizer, Recipe, Split, find_recipe

from bddseg.data.image import write_jpeg
from bddseg.data.mask import read_mask, write_mask
from bddseg.errors import BddsegError
from bddseg.tasks.task import get_task
from bddseg.types import SizeHW

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


def test_with_a_teacher_each_frame_comes_twice(root: Path) -> None:
    masks = root / "out" / "masks"
    for number in range(4):
        write_mask(masks / f"{number}.png", np.full(SIZE_HW, number % 3, np.uint8))
    data = open_data(Data(root=str(root), teacher=str(root / "out"), limit=3), TASK)
    labels = [frame.read_labels(TASK) for frame in data.train]
    assert [frame.image.stem for frame in data.train] == ["0", "0", "1", "1", "2", "2"]
    assert all((labels[2 * number + 1] == number).all() for number in range(3))
    assert all(len(np.unique(each)) == 3 for each in labels[::2])


@pytest.mark.parametrize("has_some", [True, False])
def test_frames_that_a_teacher_did_not_do_are_an_error(root: Path, has_some: bool) -> None:
    (root / "out" / "masks").mkdir(parents=True)
    if has_some:
        write_mask(root / "out" / "masks" / "2.png", np.zeros(SIZE_HW, np.uint8))
    with pytest.raises(BddsegError) as caught:
        open_data(Data(root=str(root), teacher=str(root / "out")), TASK)
    if has_some:
        assert "no mask of 3 training frames, such as" in caught.value.message
    assert str(root / "out") in str(caught.value)


def test_a_recipe_that_needs_a_teacher_does_not_run_without_one(root: Path) -> None:
    pytest.importorskip("bddseg_lite")
    recipe = find_recipe("swiftnet_lite_512x288_distilled")
    data = msgspec.structs.replace(recipe.data, root=str(root))
    with pytest.raises(BddsegError, match=r"no folder .*OUT\. .* --set data\.teacher=OUT"):
        open_data(data, TASK)


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


def test_legacy_labels_are_converted_with_a_note_unless_they_are_mixed(root: Path) -> None:
    masks = sorted((root / "train" / "masks").iterdir())
    current = [read_mask(path) for path in masks]
    for path, labels in zip(masks, current, strict=True):
        write_mask(path, ((labels + 1) % 3).astype(np.uint8))
    data = open_data(Data(root=str(root)), TASK)
    assert "holds legacy ids, where 0 is the background. They are converted." in data.notes[0]
    np.testing.assert_array_equal(data.train[0].read_labels(TASK), current[0])
    write_mask(masks[1], current[1])
    with pytest.raises(BddsegError, match="has label files of several encodings"):
        open_data(Data(root=str(root)), TASK)


def test_missing_labels_are_noted_and_without_any_it_is_an_error(root: Path) -> None:
    masks = sorted((root / "train" / "masks").iterdir())
    masks[2].unlink()
    data = open_data(Data(root=str(root)), TASK)
    assert len(data.train) == 3
    assert "1 image without labels ignored, such as" in data.notes[0] and "2.jpg" in data.notes[0]
    for path in masks:
        path.unlink(missing_ok=True)
    with pytest.raises(BddsegError, match=r"train/masks holds no masks"):
        open_data(Data(root=str(root)), TASK)
    (root / "train" / "masks").rmdir()
    with pytest.raises(BddsegError, match=r"There are no frames to train on"):
        open_data(Data(root=str(root)), TASK)


@pytest.mark.parametrize(
    ("crop_hw", "transforms", "is_refused"),
    [
        ((64, 64), ("crop", "flip", "color_jitter"), True),
        ((48, 65), ("crop",), True),
        ((48, 64), ("crop",), False),
        # Another package's transform may enlarge images.
        ((64, 64), ("crop", "other"), False),
    ],
)
def test_a_crop_that_is_larger_than_the_frames_is_an_error(
    root: Path, crop_hw: SizeHW, transforms: tuple[str, ...], is_refused: bool
) -> None:
    recipe = Recipe(
        name="own",
        model="demo",
        transforms=tuple({"name": name} for name in transforms),
        crop_hw=crop_hw,
        optimizer=Optimizer(lr=0.1),
        iterations=5,
        batch_size=2,
    )
    frames = open_data(Data(root=str(root)), TASK).train
    expected = pytest.raises(BddsegError, match=r"is larger than the frames, which are \[48, 64\]")
    with expected if is_refused else nullcontext():
        check_crop(recipe, frames)


def test_a_folder_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match="holds no data of the task drivable"):
        open_data(Data(root=str(tmp_path)), TASK)

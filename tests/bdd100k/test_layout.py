"""Finding images and labels in BDD100K's folders, and in simpler ones."""

from pathlib import Path

import pytest

from bddseg.bdd100k.layout import DataFolder, SplitPaths, find_splits
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, DRIVABLE_BINARY, SEM_SEG
from bddseg.tasks.task import Task


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True)


def describe(root: Path, found: DataFolder) -> dict[str, tuple[str, str]]:
    """Return the folders of each split, relative to the root."""
    return {
        name: (
            paths.images.relative_to(root).as_posix(),
            paths.labels.relative_to(root).as_posix(),
        )
        for name, paths in found.splits.items()
    }


@pytest.mark.parametrize("prefix", ["", "bdd100k/"])
@pytest.mark.parametrize(
    ("task", "images", "labels"),
    [
        (DRIVABLE, "images/100k/{}", "labels/drivable/masks/{}"),
        (DRIVABLE, "images/100k/{}", "drivable_maps/labels/{}"),
        (DRIVABLE, "images/100k/{}", "labels/drivable/colormaps/{}"),
        (DRIVABLE, "images/100k/{}", "labels/drivable/rles/drivable_{}.json"),
        (DRIVABLE, "images/100k/{}", "drivable_maps/color_labels/{}"),
        (SEM_SEG, "images/10k/{}", "labels/sem_seg/masks/{}"),
        (SEM_SEG, "seg/images/{}", "seg/labels/{}"),
        (DRIVABLE, "{}/images", "{}/masks"),
        (DRIVABLE_BINARY, "{}/images", "{}/masks"),
    ],
)
def test_every_layout_is_found(
    tmp_path: Path, task: Task, images: str, labels: str, prefix: str
) -> None:
    images, labels = prefix + images, prefix + labels
    for split in ("train", "val"):
        make(tmp_path, images.format(split), labels.format(split))
    assert describe(tmp_path, find_splits(tmp_path, task)) == {
        split: (images.format(split), labels.format(split)) for split in ("train", "val")
    }


def test_of_several_kinds_of_labels_masks_are_used(tmp_path: Path) -> None:
    make(tmp_path, "images/100k/train", "drivable_maps/labels/train")
    make(tmp_path, "labels/drivable/colormaps/train", "labels/drivable/masks/train")
    found = describe(tmp_path, find_splits(tmp_path, DRIVABLE))
    assert found == {"train": ("images/100k/train", "labels/drivable/masks/train")}


def test_images_and_masks_alone_are_trained_on(tmp_path: Path) -> None:
    make(tmp_path, "images", "masks")
    found = find_splits(tmp_path, DRIVABLE)
    assert found.splits == {"train": SplitPaths(tmp_path / "images", tmp_path / "masks")}
    assert found.incomplete == ()


def test_what_a_split_lacks_is_listed(tmp_path: Path) -> None:
    make(tmp_path, "train/images", "train/masks", "val/images")
    found = find_splits(tmp_path, DRIVABLE)
    assert list(found.splits) == ["train"]
    (sentence,) = found.incomplete
    assert "has no labels" in sentence and "has no val/masks." in sentence


def test_images_without_any_labels_are_an_error_that_says_which_are_missing(tmp_path: Path) -> None:
    make(tmp_path, "images/100k/train")
    with pytest.raises(BddsegError, match=r"has no labels: .* has no labels/drivable/masks/train"):
        find_splits(tmp_path, DRIVABLE)


def test_labels_of_another_task_are_not_used(tmp_path: Path) -> None:
    make(tmp_path, "images/10k/train", "labels/sem_seg/masks/train")
    with pytest.raises(BddsegError, match="holds no data of the task drivable") as caught:
        find_splits(tmp_path, DRIVABLE)
    assert "Check the path and -t." in caught.value.hint


def test_a_missing_folder_and_a_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"gone does not exist; a folder of data"):
        find_splits(tmp_path / "gone", DRIVABLE)
    (tmp_path / "file").touch()
    with pytest.raises(BddsegError, match=r"file is a file; a folder of data"):
        find_splits(tmp_path / "file", DRIVABLE)

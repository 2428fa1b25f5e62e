"""The split of results by the folders of their frames."""

from pathlib import Path

import pytest

from bddseg.bdd100k.split_check import refuse_other_split
from bddseg.errors import BddsegError


@pytest.mark.parametrize(
    ("masks", "file", "split"),
    [
        ("labels/drivable/masks/val", "a.png", "val"),
        ("train/results", "test/a.png", "test"),
        ("results", "night/a.png", "test"),
        ("validation/train-7/testing", "a.png", "test"),
    ],
)
def test_folders_of_the_split_or_of_none_are_accepted(
    tmp_path: Path, masks: str, file: str, split: str
) -> None:
    refuse_other_split(tmp_path / masks, [tmp_path / masks / file], split)


@pytest.mark.parametrize(
    ("masks", "file", "hint"),
    [
        ("labels/drivable/masks/train", "a.png", "The server scores val and test"),
        ("labels/drivable/masks/val", "a.png", "Use --split val"),
        ("results", "train/a.png", "The server scores val and test"),
        ("test", "val/a.png", "Use --split val"),
    ],
)
def test_folders_of_another_split_are_refused(
    tmp_path: Path, masks: str, file: str, hint: str
) -> None:
    folder = tmp_path / masks
    paths = [folder / "test" / "b.png", folder / file]
    with pytest.raises(BddsegError) as caught:
        refuse_other_split(folder, paths, "test")
    assert f"The masks in {paths[1].parent} seem to be of the split " in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_a_folder_that_is_given_by_a_relative_path_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train").mkdir()
    monkeypatch.chdir(tmp_path / "train")
    with pytest.raises(BddsegError, match="seem to be of the split train"):
        refuse_other_split(Path(), [Path("a.png")], "test")

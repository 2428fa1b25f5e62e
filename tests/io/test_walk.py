"""Walking folders."""

from pathlib import Path

import pytest

from bddseg.errors import BddsegError
from bddseg.io.walk import is_below, list_files, walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b", "a", "sub/c", "sub/deep/d", ".hidden", ".git/e"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "folder"


def test_files_are_sorted_and_hidden_ones_are_ignored(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in list_files(folder, lambda _: True)]
    assert names == ["a", "b", "sub/c", "sub/deep/d"]
    assert list_files(folder, lambda path: path.name == "c") == [folder / "sub" / "c"]


def test_a_folder_can_be_skipped(folder: Path) -> None:
    names = {entry.name for entry in walk(folder, skip=lambda path: path.endswith("deep"))}
    assert names == {"a", "b", "c"}


def test_links_to_folders_are_followed_but_not_in_circles(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "broken").symlink_to(folder / "gone")
    assert sorted(entry.name for entry in walk(folder)) == ["a", "b", "broken", "c", "d"]


@pytest.mark.parametrize(("name", "state"), [("gone", "does not exist"), ("a", "is a file")])
def test_what_is_not_a_folder_is_named(folder: Path, name: str, state: str) -> None:
    with pytest.raises(BddsegError, match=f"{name} {state}; a folder was expected"):
        list_files(folder / name, lambda _: True)


def test_links_are_resolved_when_paths_are_compared(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "sub")
    assert is_below(folder / "link" / "c", folder / "sub")
    assert is_below(folder, folder)
    assert not is_below(folder / "subordinate", folder / "sub")

"""Walking folders."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from bddseg.errors import BddsegError


def list_files(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Return the files below `folder` that are `wanted`, sorted, without hidden ones.

    Raises:
        BddsegError: `folder` does not exist, is a file, or cannot be read.
    """
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise BddsegError(f"{folder} {state}; a folder was expected.", "Check the path.")
    entries = (Path(entry.path) for entry in walk(folder))
    # With a key, each path is split once, not in each comparison.
    return sorted((path for path in entries if wanted(path)), key=lambda path: path.parts)


def walk(
    root: Path, *, skip: Callable[[str], bool] = lambda _folder: False
) -> Iterator["os.DirEntry[str]"]:
    """Yield the files below a folder, without hidden ones; links to folders are followed.

    Args:
        root: The folder.
        skip: Returns whether a folder below it is not walked.

    Raises:
        BddsegError: a folder cannot be read.
    """
    seen = {os.path.realpath(root)}
    folders = [os.fspath(root)]
    while folders:
        for entry in _scan(folders.pop()):
            if _is_folder(entry):
                # Datasets are full of links; one that leads back up must not be walked in circles.
                real = os.path.realpath(entry.path)
                if real not in seen and not skip(entry.path):
                    folders.append(entry.path)
                seen.add(real)
            else:
                yield entry


def is_inside(name: str) -> bool:
    """Return whether a name from a file or another machine leads to a file inside a folder."""
    path = PurePath(name)
    return bool(path.name) and not path.anchor and ".." not in path.parts and "\0" not in name


def is_below(path: str | Path, folder: Path) -> bool:
    """Return whether a path is the folder or lies in it, links resolved."""
    return Path(path).resolve().is_relative_to(folder.resolve())


def _scan(folder: str) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise BddsegError(
            f"Cannot read the folder {folder}: {error.strerror}.", "Check its permissions."
        ) from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder; a broken link is reported by whoever reads it."""
    try:
        return entry.is_dir()
    except OSError:
        return False

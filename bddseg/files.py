"""Files that are either whole or absent."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bddseg.errors import BddsegError

# The record that inference leaves beside its results.
RECORD_NAME = "run.json"


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; see `open_atomically`."""
    with open_atomically(path) as file:
        file.write(data)


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a file under a temporary name in the same folder; in the end it is renamed to `path`.

    Missing folders are made. Whoever reads `path` sees the old file or the new one, never a part.

    Raises:
        BddsegError: the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            # mkstemp makes files private; these are as shareable as any other the user writes.
            Path(temporary).chmod(0o666 & ~_UMASK)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> BddsegError:
    """Return the error for a path that the system does not let us write."""
    return BddsegError(
        f"Cannot write {path}: {error.strerror or error}.",
        "Choose another output with -o, or free space and permissions there.",
    )


def list_files(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Return the files below `folder` that are `wanted`, sorted, hidden ones left out.

    Raises:
        BddsegError: `folder` does not exist or is no folder.
    """
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise BddsegError(f"{folder} {state}; a folder was expected.", "Check the path.")
    found: list[Path] = []
    seen = {folder.resolve()}
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # Data sets are full of links; one that leads back up must not walk in circles.
        for name in list(folders):
            target = Path(root, name).resolve()
            if target in seen:
                folders.remove(name)
            seen.add(target)
        paths = (Path(root, name) for name in names if not name.startswith("."))
        found += [path for path in paths if wanted(path)]
    return sorted(found)


def is_same_file(path: Path, other: Path) -> bool:
    """Return whether two paths lead to one file; not so if either leads nowhere."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def _read_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# Read once, at import: the system has no way to read the mask without setting it, and setting it
# while other threads write files would give them the wrong permissions.
_UMASK = _read_umask()

"""Files that are either complete or absent."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bddseg.errors import BddsegError
from bddseg.io.overwrite import is_special


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`, completely or not at all; see `open_atomically`."""
    with open_atomically(path) as file:
        file.write(data)


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file in the same folder; at the end it is renamed to `path`.

    Missing folders are made. A reader of `path` sees the old file or the new one, never a part. A
    pipe or a device is written to as it is.

    Raises:
        BddsegError: the folder or the file cannot be written.
    """
    try:
        if is_special(path):
            with path.open("wb") as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name does not contain that of the file, which may be as long as names can be.
        descriptor, temporary = tempfile.mkstemp(prefix=".bddseg-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            # mkstemp makes files private; this one gets the permissions of an ordinary new file.
            Path(temporary).chmod(0o666 & ~_UMASK)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> BddsegError:
    """Return the error for a path that cannot be written."""
    return BddsegError(
        f"Cannot write {path}: {error.strerror or error}.",
        "Choose another output with -o, or free space and permissions there.",
    )


def _read_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# Read once, at import: the system has no way to read the mask without setting it, and setting it
# while other threads write files would give them the wrong permissions.
_UMASK = _read_umask()

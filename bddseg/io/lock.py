"""Locking a folder against other processes."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.io.atomic import write_error

_LOCK_NAME = ".lock"
# What file systems without locks answer, such as some network file systems.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make a folder and hold its lock; the system releases it when the process dies.

    Raises:
        BddsegError: another process holds it, or the folder cannot be written.
    """
    # Imported here: it takes milliseconds, and few commands need it.
    from filelock import FileLock, Timeout

    path, is_new = folder / _LOCK_NAME, not folder.exists()
    lock = FileLock(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BddsegError(
            f"Another run is writing to {folder}.",
            "Wait until it has ended, or choose another output with -o.",
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise write_error(folder, error) from error
        text = f"{folder} cannot be locked ({error.strerror}): start no other run in it."
        warnings.warn(text, BddsegWarning, stacklevel=3)
    try:
        yield
    finally:
        with suppress(OSError):
            # Removed while it is held: whoever opened it meanwhile cannot lock it.
            path.unlink()
            # Nothing is left of a run that wrote nothing.
            if is_new:
                folder.rmdir()
        lock.release()


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold the lock of that name, waiting for as long as another process holds it.

    Where locks cannot be made, it holds none: it may only keep processes from doing work twice.
    """
    from filelock import FileLock

    lock = FileLock(path)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        lock.release()

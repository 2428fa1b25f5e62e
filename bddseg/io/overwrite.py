"""Which files a command may write over: the rule of all of them."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from bddseg.errors import BddsegError

# Device and inode: what all paths to one file have in common.
FileId = tuple[int, int]


def refuse_overwriting(
    targets: Iterable[Path],
    inputs: Iterable[Path] = (),
    *,
    overwrite: bool = False,
    hint: str = "Choose another output, or use --overwrite.",
) -> None:
    """Check the files that a command is about to write: the rule of every command.

    A target is none of the command's inputs, whatever their paths; and without `overwrite` it is no
    file that exists. Pipes and devices are no files in this sense.

    Args:
        targets: The files to write.
        inputs: The files to read; looked at only if a target exists.
        overwrite: Whether existing files are replaced.
        hint: What to do if a target exists.

    Raises:
        BddsegError: a target is an input, or exists.
    """
    existing = [path for path in targets if os.path.lexists(path) and not is_special(path)]
    if not existing:
        return
    used = {identify(path) for path in inputs} - {None}
    for path in existing:
        if identify(path) in used:
            raise make_input_error(path)
    if not overwrite:
        raise BddsegError(f"{existing[0]} exists already.", hint)


def identify(path: str | Path) -> FileId | None:
    """Return what identifies a file, whatever path leads to it; None if there is none."""
    try:
        state = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino


def make_input_error(path: str | Path) -> BddsegError:
    """Return the error for an input that would be overwritten."""
    return BddsegError(f"{path} is an input and would be overwritten.", "Choose another output.")


def is_special(path: Path) -> bool:
    """Return whether a path leads to a pipe, a socket or a device, which is written to as it is."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)

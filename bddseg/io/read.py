"""Reading files."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from bddseg.errors import BddsegError

if TYPE_CHECKING:
    # It imports NumPy, and --help should be quick.
    from bddseg.types import SizeHW

# Larger images and label maps are refused before they are decoded, unless MAX_PIXELS_VARIABLE says
# otherwise: a file of a few bytes can ask for all of a machine's memory. The number is Pillow's.
_MAX_PIXELS = 178_956_970
MAX_PIXELS_VARIABLE = "BDDSEG_MAX_PIXELS"
# A file of more bytes than four floats for each pixel is no image, and fills the memory.
_MAX_BYTES_PER_PIXEL = 16


class UnreadableFileError(BddsegError):
    """A file that is missing, not a regular file, or damaged.

    Attributes:
        path: Path of the file.
        reason: Why it cannot be read, as the end of a sentence.
    """

    def __init__(
        self, path: Path, reason: str, hint: str = "Write the file again, or remove it."
    ) -> None:
        super().__init__(f"{path} cannot be read: {reason}.", hint)
        self.path = path
        self.reason = reason


def check_size(size_hw: "SizeHW") -> None:
    """Check the size of an image, before memory is used for its pixels.

    Raises:
        ValueError: it has no pixels, or too many.
    """
    height, width = size_hw
    limit = _get_max_pixels()
    if min(height, width) < 1 or height * width > limit:
        raise ValueError(
            f"its size is {width}x{height}, and 1 to {limit:,} pixels were expected "
            f"(set {MAX_PIXELS_VARIABLE} to read larger images)"
        )


def read_file(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        UnreadableFileError: it is missing, a folder, a pipe or a device, or cannot be read.
    """
    try:
        # Checked before opening: opening a pipe waits for whoever writes to it, and a device may
        # never end.
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableFileError(path, "it is not a regular file", "Check the path.")
        if state.st_size > max(_get_max_pixels(), _MAX_PIXELS) * _MAX_BYTES_PER_PIXEL:
            raise ValueError(
                f"it has {state.st_size:,} bytes (set {MAX_PIXELS_VARIABLE} to read larger files)"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UnreadableFileError(path, reason, "Check the path and its permissions.") from error


def is_file(path: Path) -> bool:
    """Return whether a path is a regular file that can be looked up."""
    try:
        return path.is_file()
    # Its name is too long, or a folder above it cannot be entered.
    except OSError:
        return False


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, UTF-8 with or without a mark of it, without empty ones.

    Bytes that are not UTF-8 are kept as Python keeps them in file names.

    Raises:
        UnreadableFileError: see `read_file`.
    """
    text = read_file(path).decode("utf-8-sig", "surrogateescape")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _get_max_pixels() -> int:
    limit = os.environ.get(MAX_PIXELS_VARIABLE) or str(_MAX_PIXELS)
    if not limit.isdecimal():
        raise ValueError(f"{MAX_PIXELS_VARIABLE} is '{limit}', not a number")
    return int(limit)

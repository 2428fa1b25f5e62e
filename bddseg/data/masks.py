"""Masks: label maps on disk, as single-channel 8-bit PNG."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bddseg.data.png import encode_png, is_plain_grey
from bddseg.errors import BddsegError
from bddseg.files import list_files, write_atomically

Labels = npt.NDArray[np.uint8]


def read_mask(path: Path) -> Labels:
    """Return the labels in a mask, (H, W), uint8.

    A palette image counts as its indices, as in the official toolkit.

    Raises:
        BddsegError: the file is missing, no image, damaged, or no single-channel 8-bit image.
    """
    try:
        data = path.read_bytes()
        if is_plain_grey(data):
            # OpenCV decodes without holding up other threads; what it cannot, Pillow explains.
            labels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if labels is not None:
                return labels.astype(np.uint8, copy=False)
        with Image.open(BytesIO(data)) as image:
            if image.mode not in ("L", "P"):
                raise BddsegError(
                    f"{path} is no mask: its mode is {image.mode}, and class ids were expected "
                    "(one channel of 8 bits).",
                    "Give masks, not colormaps; of these, `bddseg labels convert` makes masks.",
                )
            return np.asarray(image, np.uint8)
    # Pillow reports damage as OSError, SyntaxError (PNG chunks) or ValueError.
    except (OSError, SyntaxError, ValueError) as error:
        raise BddsegError(f"{path} cannot be read as a mask: {error}.", "Make it again.") from error


def encode_mask(labels: Labels) -> bytes:
    """Return labels (H, W), uint8, as the bytes of a single-channel 8-bit PNG."""
    return encode_png(labels)


def write_mask(path: Path, labels: Labels) -> None:
    """Write labels (H, W), uint8, as a mask; the file is whole or absent.

    Raises:
        BddsegError: the file cannot be written.
    """
    write_atomically(path, encode_mask(labels))


def list_masks(folder: Path) -> list[Path]:
    """Return the PNG files below a folder, sorted.

    Raises:
        BddsegError: the folder does not exist or holds none.
    """
    masks = list_files(folder, lambda path: path.suffix == ".png")
    if not masks:
        raise BddsegError(f"{folder} holds no masks.", "Masks are PNG files; check the path.")
    return masks

"""Frames on disk: reading one, writing one."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.errors import BddsegError
from bddseg.files import write_atomically

Frame = npt.NDArray[np.uint8]


def read_frame(path: Path) -> Frame:
    """Return the image at `path` as RGB, (H, W, 3), uint8, turned upright if EXIF says so.

    Raises:
        BddsegError: the file cannot be read or is no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BddsegError(
            f"Cannot read {path}: {error.strerror or error}.", "Check the file and its permissions."
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise BddsegError(
            f"{path} is no image that can be decoded ({data.size} bytes).",
            "Make the file again, or remove it.",
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def write_jpeg(path: Path, frame: Frame, *, quality: int = 95) -> None:
    """Write an RGB image, (H, W, 3), uint8, as JPEG; the file is whole or absent.

    Raises:
        BddsegError: the file cannot be written.
    """
    write_atomically(path, encode_jpeg(frame, quality=quality))


def encode_jpeg(frame: Frame, *, quality: int = 95) -> bytes:
    """Return an RGB image, (H, W, 3), uint8, as the bytes of a JPEG."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def encode_png_rgb(frame: Frame) -> bytes:
    """Return an RGB image, (H, W, 3), uint8, as the bytes of a PNG."""
    _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return data.tobytes()

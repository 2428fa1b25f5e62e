"""Images on disk: reading and encoding them."""

from pathlib import Path

import cv2
import numpy as np

from bddseg.io.atomic import write_atomically
from bddseg.io.read import UnreadableFileError, read_file
from bddseg.types import Image


def read_image(path: Path) -> Image:
    """Return an image as RGB, (H, W, 3), uint8, rotated upright as its EXIF data says.

    Raises:
        UnreadableFileError: the file is missing, or cannot be decoded.
    """
    data = read_file(path)
    try:
        # An empty buffer is an error of its own in OpenCV.
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise UnreadableFileError(path, f"OpenCV cannot decode it ({error.err})") from error
    if bgr is None:
        reason = f"it is not an image that OpenCV can decode ({len(data)} bytes)"
        raise UnreadableFileError(path, reason)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def write_jpeg(path: Path, image: Image, *, quality: int = 95) -> None:
    """Write an RGB image, (H, W, 3), uint8, as JPEG; the file is complete or absent.

    Raises:
        BddsegError: the file cannot be written.
    """
    write_atomically(path, encode_jpeg(image, quality=quality))


def encode_jpeg(image: Image, *, quality: int = 95) -> bytes:
    """Return an RGB image, (H, W, 3), uint8, as the bytes of a JPEG."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def encode_png_rgb(image: Image) -> bytes:
    """Return an RGB image, (H, W, 3), uint8, as the bytes of a PNG."""
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return data.tobytes()

"""Images on disk: reading and encoding them."""

from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bddseg.io.atomic import write_atomically
from bddseg.io.read import UnreadableFileError, check_size, read_file
from bddseg.types import Image, SizeHW

# Of iPhones. Read with pillow-heif, the extra `heic`.
HEIC_SUFFIXES = frozenset({".heic", ".heif"})
CAN_READ_HEIC = find_spec("pillow_heif") is not None

# Orientations of EXIF data in which rows are columns.
_TURNED = frozenset({5, 6, 7, 8})
_HEADER_READERS = (
    JpegImageFile,
    PngImageFile,
    BmpImageFile,
    TiffImageFile,
    WebPImageFile,
    PpmImageFile,
)


def read_image(path: Path) -> Image:
    """Return an image as RGB, (H, W, 3), uint8, rotated upright as its EXIF data says.

    Raises:
        UnreadableFileError: the file is missing, has too many pixels, or cannot be decoded.
    """
    data = read_file(path)
    size_hw = None
    # Damaged files make decoders raise almost anything.
    try:
        if path.suffix.lower() in HEIC_SUFFIXES:
            return _decode_heic(data)
        if size_hw := _read_size(data):
            check_size(size_hw)
        # An empty buffer is an error of its own in OpenCV.
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise UnreadableFileError(path, f"OpenCV cannot decode it ({error.err})") from error
    except Exception as error:
        raise UnreadableFileError(path, str(error) or repr(error)) from error
    if bgr is None:
        reason = f"it is not an image that OpenCV can decode ({len(data)} bytes)"
        if size_hw:
            reason = (
                f"it is damaged or incomplete: an image of {size_hw[1]}x{size_hw[0]} pixels, and "
                f"OpenCV cannot decode its {len(data)} bytes"
            )
        raise UnreadableFileError(path, reason)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_image_size(path: Path) -> SizeHW:
    """Return the size of an image as `read_image` returns it, from its header where Pillow can.

    Raises:
        UnreadableFileError: the file is missing, or cannot be decoded.
    """
    for reader in _HEADER_READERS:
        with suppress(Exception), path.open("rb") as file, reader(file) as image:
            width, height = image.size
            is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
            return (width, height) if is_turned else (height, width)
    height, width, _ = read_image(path).shape
    return height, width


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


def _read_size(data: bytes) -> SizeHW | None:
    """Return the size that an image's header has; None if Pillow cannot read it.

    OpenCV has no way to read the size alone, and `PIL.Image.open` has limits of its own.
    """
    for reader in _HEADER_READERS:
        with suppress(Exception):
            width, height = reader(BytesIO(data)).size
            return height, width
    return None


def _decode_heic(data: bytes) -> Image:
    if not CAN_READ_HEIC:
        raise ValueError("HEIC needs pillow-heif: pip install 'bddseg[heic]'")
    # Not decoded until its pixels are read.
    image = import_module("pillow_heif").open_heif(BytesIO(data))
    check_size(image.size[::-1])
    return np.ascontiguousarray(np.asarray(image)[..., :3])

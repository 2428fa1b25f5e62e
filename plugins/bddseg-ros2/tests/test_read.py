"""Images of messages, without ROS: objects with the same fields."""

import array
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt
import PIL.ExifTags
import PIL.Image
import pytest
from bddseg_ros2.encodings import ENCODINGS
from bddseg_ros2.read import read_compressed_message, read_image_message

from bddseg.errors import BddsegError
from bddseg.types import Image


@dataclass
class Message:
    """The fields of sensor_msgs/Image."""

    header: Any = None
    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: Any = field(default_factory=bytes)


def make_image() -> Image:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def encode(image: Image, encoding: str) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    alpha = np.full((*image.shape[:2], 1), 9, np.uint8)
    order = image[..., ::-1] if encoding.startswith("bgr") else image
    if encoding == "mono8":
        return image[..., :1]
    return np.concatenate([order, alpha], axis=2) if "a8" in encoding else order


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_pixels_are_read_whatever_their_order_and_padding(
    encoding: str, padding: int, is_bigendian: int
) -> None:
    image = make_image()
    pixels = encode(image, encoding)
    rows = pixels.reshape(5, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Message(
        height=5,
        width=7,
        encoding=encoding,
        is_bigendian=is_bigendian,
        step=padded.shape[1],
        data=padded.tobytes(),
    )
    found = read_image_message(message)
    expected = np.repeat(image[..., :1], 3, axis=2) if encoding == "mono8" else image
    assert found.flags.c_contiguous
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb8", "nv24", "8UC3", "", "RGB8"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(BddsegError, match=f"encoding '{encoding}' are not supported"):
        read_image_message(Message(height=1, width=1, encoding=encoding, step=8, data=bytes(8)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": 5}, "each row needs 6"),
        ({"data": bytes(11)}, "has 11 bytes"),
        ({"height": 0}, "its size is 2x0"),
        ({"width": 0}, "its size is 0x2"),
        ({"height": 100_000, "width": 100_000}, "pixels were expected"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, Any], said: str) -> None:
    message = Message(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(BddsegError, match=said):
        read_image_message(message)


def make_yuv(encoding: str) -> tuple[npt.NDArray[np.uint8], Image]:
    """Return the rows of an image of 4x6 pixels in an encoding, and its pixels by BT.601."""
    rng = np.random.default_rng(1)
    luma = rng.integers(60, 200, (4, 6)).astype(np.uint8)
    u, v = (rng.integers(100, 156, (4, 3)).astype(np.uint8) for _ in range(2))
    if encoding.startswith("nv"):
        u[1::2], v[1::2] = u[::2], v[::2]
        pairs = (u, v) if encoding == "nv12" else (v, u)
        rows = np.concatenate([luma, np.stack(pairs, axis=2)[::2].reshape(2, 6)])
    else:
        color, order = np.stack([u, v], axis=2).reshape(4, 6), slice(None)
        if encoding in ("yuv422", "uyvy"):
            order = slice(None, None, -1)
        rows = np.stack([luma, color][order], axis=2).reshape(4, 12)
    scaled = 1.164 * (luma.astype(float) - 16)
    blue, red = (np.repeat(each.astype(float) - 128, 2, axis=1) for each in (u, v))
    pixels = [scaled + 1.596 * red, scaled - 0.392 * blue - 0.813 * red, scaled + 2.017 * blue]
    return rows, np.rint(np.clip(np.stack(pixels, axis=2), 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
def test_yuv_becomes_rgb(encoding: str, padding: int) -> None:
    assert encoding in ENCODINGS
    rows, expected = make_yuv(encoding)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    step = padded.shape[1]
    message = Message(height=4, width=6, encoding=encoding, step=step, data=padded.tobytes())
    found = read_image_message(message)
    assert found.shape == (4, 6, 3)
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    ("encoding", "change", "said"),
    [
        ("yuv422", {"width": 5}, "its size is 5x4, and yuv422 needs even numbers"),
        ("nv12", {"width": 5}, "its size is 5x4, and nv12 needs even numbers"),
        ("nv12", {"height": 3}, "its size is 6x3, and nv12 needs even numbers"),
        ("nv12", {"data": bytes(35)}, "has 35 bytes, with 12 in each row; 6 rows were expected"),
        ("yuv422_yuy2", {"step": 6}, "each row needs 12"),
    ],
)
def test_yuv_of_the_wrong_size_is_refused(encoding: str, change: dict[str, Any], said: str) -> None:
    message = Message(height=4, width=6, encoding=encoding, step=12, data=bytes(72))
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(BddsegError, match=said):
        read_image_message(message)


@dataclass
class CompressedMessage:
    """The fields of sensor_msgs/CompressedImage."""

    header: Any = None
    format: str = "rgb8; jpeg compressed bgr8"
    data: Any = b""


def compress(suffix: str) -> tuple[bytes, Image]:
    """Return an image in a file's format, and its pixels as RGB."""
    image = cv2.resize(make_image(), (64, 48), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes(), image


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jpg"])
def test_compressed_images_are_decoded(suffix: str) -> None:
    data, expected = compress(suffix)
    found = read_compressed_message(CompressedMessage(data=array.array("B", data)))
    assert found.shape == (48, 64, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).mean() <= (12 if suffix == ".jpg" else 0)


def test_compressed_images_are_not_rotated() -> None:
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = 6
    file = BytesIO()
    PIL.Image.new("RGB", (64, 48)).save(file, "JPEG", exif=exif)
    assert read_compressed_message(CompressedMessage(data=file.getvalue())).shape == (48, 64, 3)


PNG, _ = compress(".png")
LARGE = PNG[:16] + (100_000).to_bytes(4, "big") * 2 + PNG[24:29]
LARGE += crc32(LARGE[12:]).to_bytes(4, "big") + PNG[33:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes, cannot be used: the data does not start as JPEG, PNG"),
        (bytes(100), "format 'png', 100 bytes, cannot be used: the data does not start as JPEG"),
        (PNG[: len(PNG) // 2], "cannot be used: the data is damaged"),
        (LARGE, "cannot be used: .*10000000000 pixels"),
    ],
)
def test_damaged_compressed_images_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(BddsegError, match=said):
        read_compressed_message(CompressedMessage(format="png", data=data))

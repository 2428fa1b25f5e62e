"""Images: read as RGB, and encoded without a change of order."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bddseg.data.image import encode_jpeg, encode_png_rgb, read_image, write_jpeg
from bddseg.errors import BddsegError
from bddseg.io.png import SIGNATURE, make_chunk, read_png
from bddseg.types import Image


@pytest.fixture
def red() -> Image:
    image = np.zeros((16, 24, 3), np.uint8)
    image[..., 0] = 255
    return image


def test_an_image_is_rgb(tmp_path: Path) -> None:
    bgr = np.zeros((4, 6, 3), np.uint8)
    bgr[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "red.png"), bgr)
    image = read_image(tmp_path / "red.png")
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == [255, 0, 0]


def test_a_grey_image_gets_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 6), 7, np.uint8))
    assert read_image(tmp_path / "grey.png").shape == (4, 6, 3)


def test_an_image_is_rotated_as_exif_says(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    PIL.Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (30, 20, 3)


def test_encoded_images_come_back(tmp_path: Path, red: Image) -> None:
    (tmp_path / "a.png").write_bytes(encode_png_rgb(red))
    assert np.array_equal(read_image(tmp_path / "a.png"), red)
    write_jpeg(tmp_path / "deep" / "a.jpg", red)
    assert (tmp_path / "deep" / "a.jpg").read_bytes() == encode_jpeg(red)
    assert np.abs(read_image(tmp_path / "deep" / "a.jpg").astype(int) - red).max() < 5
    assert len(encode_jpeg(red, quality=10)) < len(encode_jpeg(red))


@pytest.mark.parametrize("data", [b"", b"not an image at all", b"\xff\xd8\xff\xe0"])
def test_what_is_not_an_image_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.jpg").write_bytes(data)
    with pytest.raises(BddsegError, match=r"bad\.jpg cannot be read: it is not an image that"):
        read_image(tmp_path / "bad.jpg")


def test_a_damaged_image_is_told_from_other_files(tmp_path: Path, red: Image) -> None:
    write_jpeg(tmp_path / "bad.jpg", red)
    header, _, _ = (tmp_path / "bad.jpg").read_bytes().partition(b"\xff\xda")
    (tmp_path / "bad.jpg").write_bytes(header)
    height, width, _ = red.shape
    with pytest.raises(BddsegError, match=f"damaged or incomplete: an image of {width}x{height}"):
        read_image(tmp_path / "bad.jpg")


def test_what_opencv_raises_is_named(tmp_path: Path) -> None:
    # A header of more pixels than OpenCV decodes: it raises, instead of returning nothing.
    header = b"P5 1000000 1000000 255\n"
    (tmp_path / "bomb.ppm").write_bytes(header + bytes(100))
    with pytest.raises(BddsegError, match=r"bomb\.ppm cannot be read: "):
        read_image(tmp_path / "bomb.ppm")


def make_png(width: int, height: int) -> bytes:
    """Return a PNG file of white pixels of one bit, which is small at any size."""
    rows = (b"\0" + b"\xff" * -(-width // 8)) * height
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return SIGNATURE + b"".join(make_chunk(*chunk) for chunk in chunks)


def make_header(kind: str) -> bytes:
    """Return a file whose header has 50,000 x 50,000 pixels and that has no more than a few."""
    with BytesIO() as file:
        PIL.Image.new("RGB", (50, 40)).save(file, kind)
        data = bytearray(file.getvalue())
    if kind == "BMP":
        data[18:26] = struct.pack("<ii", 50_000, 50_000)
    elif kind == "JPEG":
        start = data.index(b"\xff\xc0") + 5
        data[start : start + 4] = struct.pack(">HH", 50_000, 50_000)
    else:
        for tag in (256, 257):
            start = data.index(struct.pack("<H", tag)) + 8
            data[start : start + 2] = struct.pack("<H", 50_000)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "TIFF"])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, kind: str
) -> None:
    width = 14_000 if kind == "PNG" else 50_000
    data = make_png(width, width) if kind == "PNG" else make_header(kind)
    (tmp_path / "large.png").write_bytes(data)
    message = rf"large\.png cannot be read: its size is {width}x{width}, and 1 to 178,956,970"
    with pytest.raises(BddsegError, match=message):
        read_image(tmp_path / "large.png")


def test_the_largest_number_of_pixels_can_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(make_png(40, 30))
    monkeypatch.setenv("BDDSEG_MAX_PIXELS", "1200")
    assert read_image(path).shape == (30, 40, 3)
    monkeypatch.setenv("BDDSEG_MAX_PIXELS", "1199")
    for read in (read_image, read_png):
        with pytest.raises(BddsegError, match=r"its size is 40x30, and 1 to 1,199 pixels"):
            read(path)
    monkeypatch.setenv("BDDSEG_MAX_PIXELS", "many")
    with pytest.raises(BddsegError, match=r"BDDSEG_MAX_PIXELS is 'many', not a number"):
        read_image(path)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_an_image_that_is_cut_off_is_an_error(tmp_path: Path, kind: str, share: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    path = tmp_path / "a.png"
    PIL.Image.fromarray(pixels).save(path, kind)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BddsegError, match=r"a\.png cannot be read: "):
        read_image(path)


def test_heic_is_read_with_its_extra(tmp_path: Path, red: Image) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the heic extra")
    heif.from_pillow(PIL.Image.fromarray(np.tile(red, (3, 2, 1)))).save(tmp_path / "a.HEIC")
    image = read_image(tmp_path / "a.HEIC")
    assert image.shape == (48, 48, 3)
    assert np.abs(image.astype(int) - red[0, 0]).max() < 8
    (tmp_path / "a.HEIC").write_bytes((tmp_path / "a.HEIC").read_bytes()[:300])
    with pytest.raises(BddsegError, match=r"a\.HEIC cannot be read: "):
        read_image(tmp_path / "a.HEIC")


def test_heic_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bddseg.data.image.CAN_READ_HEIC", False)
    (tmp_path / "a.heic").touch()
    with pytest.raises(BddsegError, match=r"pip install 'bddseg\[heic\]'"):
        read_image(tmp_path / "a.heic")


def test_a_missing_image_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"gone\.jpg cannot be read: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(BddsegError, match="it is not a regular file"):
        read_image(tmp_path)

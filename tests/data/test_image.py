"""Images: read as RGB, and encoded without a change of order."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bddseg.data.image import encode_jpeg, encode_png_rgb, read_image, write_jpeg
from bddseg.errors import BddsegError
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


def test_what_opencv_raises_is_named(tmp_path: Path) -> None:
    # A header of more pixels than OpenCV decodes: it raises, instead of returning nothing.
    header = b"P5 1000000 1000000 255\n"
    (tmp_path / "bomb.ppm").write_bytes(header + bytes(100))
    with pytest.raises(BddsegError, match=r"bomb\.ppm cannot be read: "):
        read_image(tmp_path / "bomb.ppm")


def test_a_missing_image_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"gone\.jpg cannot be read: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(BddsegError, match="it is not a regular file"):
        read_image(tmp_path)

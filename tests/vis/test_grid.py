"""Grids of images."""

import threading
from pathlib import Path

import numpy as np
import pytest

from bddseg.data.image import read_image, write_jpeg
from bddseg.data.sources.files import find_images
from bddseg.data.sources.source import sample_evenly
from bddseg.errors import BddsegError
from bddseg.vis.batch import DrawOptions
from bddseg.vis.grid import write_grid


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten grey images, each brighter than the one before."""
    for number in range(10):
        grey = np.full((180, 320, 3), 20 * number, np.uint8)
        write_jpeg(tmp_path / "images" / f"f{number}.jpg", grey)
    return tmp_path / "images"


def test_a_grid_has_evenly_spaced_images_in_rows(images: Path, tmp_path: Path) -> None:
    refs = sample_evenly(find_images(str(images)), 4)
    assert [ref.name for ref in refs] == ["f0", "f3", "f6", "f9"]
    write_grid(refs, tmp_path / "grid.png", columns=3, width=160, show_names=False)
    grid = read_image(tmp_path / "grid.png")
    assert grid.shape == (180, 480, 3)
    centers = [int(grid[45 + 90 * (n // 3), 80 + 160 * (n % 3), 0]) for n in range(4)]
    assert np.abs(np.array(centers) - [0, 60, 120, 180]).max() <= 2
    assert (grid[90:, 160:] == 255).all()


def test_names_are_written_below_the_images(images: Path, tmp_path: Path) -> None:
    write_grid(find_images(str(images)), tmp_path / "grid.png", columns=5, width=160)
    grid = read_image(tmp_path / "grid.png")
    assert grid.shape[0] > 180
    assert (grid[90 : grid.shape[0] // 2, :160] < 100).any()


@pytest.mark.parametrize("limit", [10, 11])
def test_all_images_are_used_if_there_are_no_more_than_the_limit(images: Path, limit: int) -> None:
    refs = find_images(str(images))
    assert sample_evenly(refs, limit) == refs


def test_images_of_another_shape_keep_their_aspect_ratio(images: Path, tmp_path: Path) -> None:
    write_jpeg(images / "f1.jpg", np.zeros((320, 180, 3), np.uint8))
    out = tmp_path / "grid.png"
    write_grid(find_images(str(images)), out, columns=10, width=160, show_names=False)
    cell = read_image(out)[:, 160:320]
    dark = (cell < 30).all(axis=(0, 2))
    assert abs(int(dark.sum()) - 51) <= 2
    assert (cell[:, :40] > 250).all()


def test_a_grid_is_a_jpeg_or_png_file_with_images(images: Path, tmp_path: Path) -> None:
    refs = find_images(str(images))
    for name in ("grid.gif", "images"):
        with pytest.raises(BddsegError, match="neither a JPEG nor a PNG file"):
            write_grid(refs, tmp_path / name)
    with pytest.raises(BddsegError, match="There are no images"):
        write_grid([], tmp_path / "grid.png")


def test_an_image_that_cannot_be_read_is_an_error(images: Path, tmp_path: Path) -> None:
    (images / "f1.jpg").write_text("broken")
    before = set(threading.enumerate())
    refs = 2 * find_images(str(images))
    with pytest.raises(BddsegError, match=r"f1\.jpg") as caught:
        write_grid(refs, tmp_path / "grid.jpg", options=DrawOptions(num_threads=2))
    assert not (tmp_path / "grid.jpg").exists()
    # No thread waits for the garbage collector, which could end it in a thread of its own.
    assert caught.tb is not None
    assert set(threading.enumerate()) <= before

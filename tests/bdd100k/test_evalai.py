"""The zip for the challenge server: what is in it, and what is refused."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from label_files import LEGACY, draw_scene
from metrics.helpers import write_record

from bddseg.bdd100k.evalai import Package, Split, Violation, package_masks
from bddseg.data.mask import read_mask, write_mask
from bddseg.errors import BddsegError
from bddseg.types import LabelMap


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    folder = tmp_path / "masks"
    rng = np.random.default_rng(0)
    for name in ("c", "sub/a", "b"):
        write_mask(folder / f"{name}.png", rng.integers(0, 3, (720, 1280), dtype=np.uint8))
    return folder


def package(masks: Path, out: Path, *, num_threads: int = 1, overwrite: bool = False) -> Package:
    return package_masks(
        masks, out, Split.TEST, partial=True, overwrite=overwrite, num_threads=num_threads
    )


def test_the_zip_holds_the_masks_and_nothing_else(masks: Path, tmp_path: Path) -> None:
    (masks / "notes.txt").touch()
    out = tmp_path / "out.zip"
    outcome = package(masks, out)
    assert outcome == Package(num_masks=3, violations=(), size_bytes=out.stat().st_size)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.png", "b.png", "c.png"]
        archive.extractall(tmp_path / "again")
    for name in ("c", "sub/a", "b"):
        again = read_mask(tmp_path / "again" / f"{name.split('/')[-1]}.png")
        assert np.array_equal(again, read_mask(masks / f"{name}.png"))


def test_the_same_masks_make_the_same_bytes(masks: Path, tmp_path: Path) -> None:
    zips = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for number, out in enumerate(zips):
        for path in masks.rglob("*.png"):
            path.touch()
        package(masks, out, num_threads=number + 1)
    assert zips[0].read_bytes() == zips[1].read_bytes()


def test_the_output_folder_of_a_run_stands_for_its_masks(masks: Path, tmp_path: Path) -> None:
    write_record(masks.parent)
    write_mask(masks.parent / "colormaps" / "b.png", np.zeros((720, 1280), np.uint8))
    assert package(masks.parent, tmp_path / "out.zip").num_masks == 3


@pytest.mark.parametrize(
    ("to_ids", "problem"),
    [
        (
            np.array([0, 0, 1], np.uint8),
            r"Looked at 1 mask of .*masks.* and found no background; .*_binary",
        ),
        (LEGACY, r"masks seems to hold legacy ids, .* bddseg labels convert .*masks'? -o OUT"),
    ],
    ids=["binary", "legacy"],
)
def test_masks_of_another_task_or_encoding_are_refused(
    tmp_path: Path, to_ids: LabelMap, problem: str
) -> None:
    write_mask(tmp_path / "masks" / "a.png", to_ids[draw_scene(1)])
    (violation,) = package(tmp_path / "masks", tmp_path / "out.zip").violations
    assert re.search(problem, violation.problem)
    assert not (tmp_path / "out.zip").exists()


def write_colors(path: Path) -> None:
    PIL.Image.new("RGB", (1280, 720)).save(path)


def write_palette(path: Path) -> None:
    image = PIL.Image.new("P", (1280, 720))
    image.putpalette([0] * 768)
    image.save(path)


def write_truncated(path: Path) -> None:
    path.write_bytes(path.with_name("b.png").read_bytes()[:500])


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda path: write_mask(path, np.zeros((360, 640), np.uint8)), "it is 640x360"),
        (lambda path: write_mask(path, np.full((720, 1280), 255, np.uint8)), "it has ids 255;"),
        (lambda path: write_mask(path, np.full((720, 1280), 3, np.uint8)), "it has ids 3;"),
        (write_colors, "its mode is RGB"),
        (
            write_palette,
            "its mode is P, .* convert them: bddseg labels convert .*masks'? -o OUT",
        ),
        (lambda path: path.write_bytes(b"not an image"), "it cannot be read: it is not a PNG"),
        (write_truncated, "it cannot be read: it is cut off"),
    ],
    ids=["size", "255", "3", "colors", "palette", "text", "truncated"],
)
def test_each_mask_that_would_be_refused_is_named(
    masks: Path, tmp_path: Path, write: Callable[[Path], None], problem: str
) -> None:
    write(masks / "wrong.png")
    (violation,) = package(masks, tmp_path / "out.zip").violations
    assert violation.file == "wrong.png"
    assert re.match(problem, violation.problem)
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]


def test_all_violations_are_found_in_one_call(masks: Path, tmp_path: Path) -> None:
    write_mask(masks / "sub" / "b.png", np.zeros((720, 1280), np.uint8))
    write_mask(masks / "small.png", np.zeros((3, 3), np.uint8))
    names = {"a", "b", "small", "missing"}
    outcome = package_masks(masks, tmp_path / "out.zip", Split.VAL, names=names)
    assert set(outcome.violations) == {
        Violation("b.png", "2 masks have the same name"),
        Violation("sub/b.png", "2 masks have the same name"),
        Violation("c.png", "it is not in the list of names"),
        Violation("missing.png", "it is in the list of names, and there is no such mask"),
        Violation("small.png", "it is 3x3, not 1280x720"),
    }
    assert (outcome.num_masks, outcome.size_bytes) == (5, 0)


def test_missing_masks_are_allowed_in_a_partial_package(masks: Path, tmp_path: Path) -> None:
    names = {"a", "b", "c", "missing"}
    outcome = package_masks(masks, tmp_path / "o.zip", Split.VAL, names=names, partial=True)
    assert outcome.violations == ()


def test_an_existing_file_is_replaced_only_if_that_is_wanted(masks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    out.write_bytes(b"mine")
    with pytest.raises(BddsegError, match=r"out\.zip exists already"):
        package(masks, out)
    assert out.read_bytes() == b"mine"
    package(masks, out, overwrite=True)
    assert zipfile.is_zipfile(out)


def test_the_output_is_a_zip_and_never_a_mask(masks: Path) -> None:
    before = (masks / "b.png").read_bytes()
    with pytest.raises(BddsegError, match=r"b\.png is not a zip file"):
        package(masks, masks / "b.png", overwrite=True)
    assert (masks / "b.png").read_bytes() == before


def test_a_folder_without_masks_is_named(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match="holds no masks"):
        package(tmp_path, tmp_path / "out.zip")

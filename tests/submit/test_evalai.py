"""The zip for the challenge server: what is in it, and what is refused."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from bddseg.data.masks import read_mask, write_mask


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / "masks"
    rng = np.random.default_rng(0)
    for name in ("c", "sub/a", "b"):
        write_mask(folder / f"{name}.png", rng.integers(0, 3, (720, 1280), dtype=np.uint8))
    (folder / "run.json").write_text("{}")
    return folder


def test_the_zip_holds_the_masks_and_nothing_else(masks, tmp_path, run):
    out = tmp_path / "out.zip"
    code, text, _ = run("submit", "-r", masks, "-o", out, "--partial")
    assert code == 0
    assert text.startswith(f"3 masks in {out}")
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.png", "b.png", "c.png"]
        archive.extractall(tmp_path / "again")
    for name in ("c", "sub/a", "b"):
        again = read_mask(tmp_path / "again" / f"{name.split('/')[-1]}.png")
        assert np.array_equal(again, read_mask(masks / f"{name}.png"))


def test_the_same_masks_make_the_same_bytes(masks, tmp_path, run):
    zips = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for number, out in enumerate(zips):
        for path in masks.rglob("*.png"):
            path.touch()
        assert run("submit", "-r", masks, "-o", out, "--partial", "--nproc", number + 1)[0] == 0
    assert zips[0].read_bytes() == zips[1].read_bytes()


def write_colors(path):
    Image.new("RGB", (1280, 720)).save(path)


def write_palette(path):
    image = Image.new("P", (1280, 720))
    image.putpalette([0] * 768)
    image.save(path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: write_mask(path, np.zeros((360, 640), np.uint8)), "it is 640x360"),
        (lambda path: write_mask(path, np.full((720, 1280), 255, np.uint8)), "it has ids 255"),
        (lambda path: write_mask(path, np.full((720, 1280), 3, np.uint8)), "it has ids 3"),
        (write_colors, "its mode is RGB"),
        (write_palette, "its mode is P"),
        (lambda path: path.write_bytes(b"no image"), "it cannot be read"),
        (
            lambda path: path.write_bytes(path.with_name("b.png").read_bytes()[:500]),
            "cannot be read",
        ),
    ],
)
def test_each_mask_that_would_be_refused_is_named(masks, tmp_path, run, write, said):
    write(masks / "wrong.png")
    out = tmp_path / "out.zip"
    code, _, err = run("submit", "-r", masks, "-o", out, "--partial")
    assert code == 1
    assert f"wrong.png: {said}" in err or ("wrong.png" in err and said in err)
    assert "1 violations" in err
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]


def test_all_violations_are_found_in_one_run(masks, tmp_path, run):
    write_mask(masks / "sub" / "b.png", np.zeros((720, 1280), np.uint8))
    write_mask(masks / "small.png", np.zeros((3, 3), np.uint8))
    (tmp_path / "names.txt").write_text("a.jpg\nb.jpg\nsmall.jpg\nmissing.jpg\n")
    arguments = (
        "submit",
        "-r",
        masks,
        "-o",
        tmp_path / "out.zip",
        "--names",
        tmp_path / "names.txt",
    )
    code, out, _ = run(*arguments, "--json", "--split", "val")
    assert code == 1
    found = {(each["file"], each["problem"]) for each in json.loads(out)["violations"]}
    assert found == {
        ("", "there are 5 masks, and val has 10,000"),
        ("b.png", "2 masks have this name"),
        ("sub/b.png", "2 masks have this name"),
        ("c.png", "no frame of the list has this name"),
        ("missing.png", "the list has this frame, and there is no mask of it"),
        ("small.png", "it is 3x3, not 1280x720"),
    }


def test_the_number_of_masks_is_that_of_the_split(masks, tmp_path, run):
    err = run("submit", "-r", masks, "-o", tmp_path / "out.zip")[2]
    assert "there are 3 masks, and test has 20,000" in err


def test_a_folder_without_masks_is_named(tmp_path, run):
    code, _, err = run("submit", "-r", tmp_path, "-o", tmp_path / "out.zip")
    assert code == 1
    assert "holds no masks" in err

"""`bddseg vis colorize` and `bddseg vis overlay`."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from bddseg.data.frames import read_frame
from bddseg.data.masks import write_mask
from bddseg.tasks import get_task
from bddseg.vis.overlay import overlay_colors


def read(path):
    with Image.open(path) as image:
        return image.mode, np.asarray(image.convert("RGB")), np.asarray(image)


@pytest.fixture
def masks(tmp_path, frames):
    """A mask for each frame but one, in the same tree."""
    folder = tmp_path / "masks"
    rng = np.random.default_rng(0)
    for path in sorted(frames.rglob("*.*"))[:4]:
        height, width = read_frame(path).shape[:2]
        labels = rng.integers(0, 3, (height, width), np.uint8)
        write_mask((folder / path.relative_to(frames)).with_suffix(".png"), labels)
    return folder


def test_a_colormap_has_the_pixels_of_its_mask_in_the_colours_of_the_task(run, tmp_path):
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    write_mask(tmp_path / "masks" / "deep" / "m.png", labels)
    code, out, _ = run("vis", "colorize", "-i", tmp_path / "masks", "-o", tmp_path / "color")
    assert code == 0
    assert "1 colormaps written" in out
    mode, colours, indices = read(tmp_path / "color" / "deep" / "m.png")
    assert mode == "P"
    assert np.array_equal(indices, labels)
    assert colours[0].tolist() == [[219, 94, 86], [86, 211, 219], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_colormaps_equal_the_official_ones(run, tmp_path, task):
    pytest.importorskip("bdd100k", reason="needs the bdd100k extra")
    labels = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    write_mask(tmp_path / "masks" / "m.png", labels)
    command = [sys.executable, "-W", "ignore", "-m", "bdd100k.label.to_color", "-m", task]
    command += ["-i", str(tmp_path / "masks"), "-o", str(tmp_path / "official"), "--nproc", "1"]
    subprocess.run(command, check=True, capture_output=True)
    run("vis", "colorize", "-i", tmp_path / "masks", "-o", tmp_path / "ours", "-t", task)
    with (
        Image.open(tmp_path / "ours/m.png") as ours,
        Image.open(tmp_path / "official/m.png") as official,
    ):
        assert ours.mode == official.mode
        assert ours.getpalette() == official.getpalette()
        assert np.array_equal(np.asarray(ours), np.asarray(official))


def test_a_mask_that_cannot_be_read_is_named_and_stops_nothing(run, masks, tmp_path):
    (masks / "broken.png").write_text("no image")
    code, out, err = run("vis", "colorize", "-i", masks, "-o", tmp_path / "color")
    assert code == 1
    assert "4 colormaps written" in out
    assert "broken.png cannot be read" in err
    assert len(list((tmp_path / "color").rglob("*.png"))) == 4


def test_the_background_of_an_overlay_is_the_frame_and_the_rest_is_blended():
    frame = np.full((1, 3, 3), 100, np.uint8)
    colours = np.array(get_task("drivable").palette[:9], np.uint8).reshape(1, 3, 3)
    overlay = overlay_colors(frame, colours, 0.5)
    assert overlay[0].tolist() == [[160, 97, 93], [93, 156, 160], [100, 100, 100]]
    assert np.array_equal(overlay_colors(frame, colours, 0.0), frame)
    assert overlay_colors(frame, colours, 1.0)[0, :2].tolist() == colours[0, :2].tolist()


def test_a_smaller_mask_is_scaled_by_nearest_neighbour():
    frame = np.zeros((4, 4, 3), np.uint8)
    colours = np.array([[[200, 0, 0], [0, 0, 0]]], np.uint8)
    overlay = overlay_colors(frame, colours, 1.0)
    assert overlay[:, :, 0].tolist() == [[200, 200, 0, 0]] * 4


def test_masks_and_colormaps_give_the_same_overlay(run, frames, masks, tmp_path):
    run("vis", "colorize", "-i", masks, "-o", tmp_path / "color")
    for source in (masks, tmp_path / "color"):
        out = tmp_path / f"over-{source.name}"
        code, text, err = run("vis", "overlay", "-i", frames, "-c", source, "-o", out)
        assert code == 0
        assert "4 overlays written" in text
        assert "1 frames have no mask" in err
    from_masks, from_colors = tmp_path / "over-masks", tmp_path / "over-color"
    files = sorted(path.relative_to(from_masks) for path in from_masks.rglob("*.jpg"))
    assert [file.as_posix() for file in files] == [
        "a.jpg",
        "b.jpg",
        "night/c.jpg",
        "night/rain/d.jpg",
    ]
    for file in files:
        assert (from_masks / file).read_bytes() == (from_colors / file).read_bytes()


def test_masks_are_found_by_stem_wherever_they_are(run, frames, masks, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in masks.rglob("*.png"):
        path.rename(flat / path.name)
    code, out, _ = run("vis", "overlay", "-i", frames, "-c", flat, "-o", tmp_path / "o", "-n", "2")
    assert code == 0
    assert "2 overlays written" in out
    assert (tmp_path / "o" / "a.jpg").is_file()


def test_an_overlay_shows_the_frame_in_its_colours(run, tmp_path):
    blue = np.zeros((32, 32, 3), np.uint8)
    blue[..., 0] = 200  # OpenCV writes BGR
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "f.png"), blue)
    write_mask(tmp_path / "masks" / "f.png", np.full((32, 32), 2, np.uint8))
    run("vis", "overlay", "-i", tmp_path / "frames", "-c", tmp_path / "masks", "-o", tmp_path / "o")
    red, green, pure = read_frame(tmp_path / "o" / "f.jpg")[16, 16].astype(int)
    assert red < 10
    assert green < 10
    assert abs(pure - 200) < 10


def test_folders_that_share_no_name_are_an_error(run, frames, tmp_path):
    write_mask(tmp_path / "masks" / "z.png", np.zeros((4, 4), np.uint8))
    code, _, err = run(
        "vis", "overlay", "-i", frames, "-c", tmp_path / "masks", "-o", tmp_path / "o"
    )
    assert code == 1
    assert "has the name of a frame" in err

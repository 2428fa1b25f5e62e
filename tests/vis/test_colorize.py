"""Colormaps: written from masks of any encoder, and read in any format."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bddseg.data.label_set import MaskFile
from bddseg.data.mask import read_mask, write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.io.png import SIGNATURE, make_chunk
from bddseg.tasks.task import Task, get_task
from bddseg.types import Image, LabelMap
from bddseg.vis.batch import DrawOptions
from bddseg.vis.colorize import colorize_masks, read_colored
from bddseg.vis.overlay import overlay_colored, overlay_labels


def read(path: Path) -> tuple[str, Image, LabelMap]:
    """The mode, the colors and the indices of an image."""
    with PIL.Image.open(path) as image:
        return image.mode, np.asarray(image.convert("RGB")), np.asarray(image)


def draw_labels(size_hw: tuple[int, int] = (40, 61), num_classes: int = 3) -> LabelMap:
    return np.random.default_rng(0).integers(0, num_classes, size_hw, np.uint8)


def test_a_colormap_has_the_indices_of_its_mask_and_the_colors_of_the_task(
    tmp_path: Path, drivable: Task
) -> None:
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    write_mask(tmp_path / "masks" / "deep" / "m.png", labels)
    result = colorize_masks(tmp_path / "masks", tmp_path / "color", drivable)
    assert (result.drawn, result.failures) == (1, ())
    mode, colors, indices = read(tmp_path / "color" / "deep" / "m.png")
    assert mode == "P"
    assert np.array_equal(indices, labels)
    assert colors[0].tolist() == [[219, 94, 86], [86, 211, 219], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_colormaps_equal_the_official_ones(tmp_path: Path, task: str) -> None:
    pytest.importorskip("bdd100k", reason="needs the bdd100k extra")
    write_mask(tmp_path / "masks" / "m.png", draw_labels(num_classes=256))
    command = [sys.executable, "-W", "ignore", "-m", "bdd100k.label.to_color", "-m", task]
    command += ["-i", str(tmp_path / "masks"), "-o", str(tmp_path / "official"), "--nproc", "1"]
    subprocess.run(command, check=True, capture_output=True)
    colorize_masks(tmp_path / "masks", tmp_path / "ours", get_task(task))
    with (
        PIL.Image.open(tmp_path / "ours/m.png") as ours,
        PIL.Image.open(tmp_path / "official/m.png") as official,
    ):
        assert ours.mode == official.mode
        assert ours.getpalette() == official.getpalette()
        assert np.array_equal(np.asarray(ours), np.asarray(official))


@pytest.mark.parametrize("encoder", ["ours", "OpenCV", "Pillow", "palette", "interlaced", "2-bit"])
def test_colormaps_of_any_encoder_have_the_right_pixels(
    tmp_path: Path, drivable: Task, encoder: str
) -> None:
    labels = draw_labels()
    path = tmp_path / "masks" / "m.png"
    path.parent.mkdir()
    if encoder == "ours":
        write_mask(path, labels)
    elif encoder == "OpenCV":
        cv2.imwrite(str(path), labels)
    elif encoder == "Pillow":
        PIL.Image.fromarray(labels).save(path, dpi=(72, 72))
    elif encoder == "interlaced":
        path.write_bytes(encode_interlaced(labels))
    else:
        image = PIL.Image.fromarray(labels)
        # Pillow writes as few bits as the length of the palette needs.
        image.putpalette([9, 8, 7] * (4 if encoder == "2-bit" else 256))
        image.save(path, transparency=2)
        assert path.read_bytes()[24] == (2 if encoder == "2-bit" else 8)
    assert colorize_masks(path.parent, tmp_path / "color", drivable).drawn == 1
    mode, colors, indices = read(tmp_path / "color" / "m.png")
    assert mode == "P"
    assert np.array_equal(indices, labels)
    assert np.array_equal(colors, np.array(drivable.colors, np.uint8)[labels])
    with PIL.Image.open(tmp_path / "color" / "m.png") as image:
        assert "transparency" not in image.info


def encode_interlaced(labels: LabelMap) -> bytes:
    """A PNG in Adam7 order: seven passes over a grid of eight by eight."""
    rows = b""
    for top, left, down, right in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        rows += b"".join(b"\0" + row.tobytes() for row in labels[top::down, left::right])
    height, width = labels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(make_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-20], "it is cut off"),
        (lambda data: data[:60], "it is cut off"),
        (lambda data: data[:-20] + b"x" + data[-19:], "IDAT"),
    ],
)
def test_damage_is_found_although_no_pixel_is_decoded(
    tmp_path: Path, drivable: Task, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "masks" / "m.png"
    write_mask(path, draw_labels())
    path.write_bytes(damage(path.read_bytes()))
    result = colorize_masks(path.parent, tmp_path / "color", drivable)
    assert [f"{path} cannot be read" in error.message for error in result.failures] == [True]
    assert reason in result.failures[0].message
    assert not (tmp_path / "color" / "m.png").exists()


def test_three_channels_have_the_same_colors_as_a_palette(
    masks: Path, tmp_path: Path, drivable: Task
) -> None:
    colorize_masks(masks, tmp_path / "p", drivable)
    colorize_masks(masks, tmp_path / "rgb", drivable, rgb=True)
    paths = list((tmp_path / "p").rglob("*.png"))
    assert len(paths) == 4
    for path in paths:
        mode, colors, _ = read(tmp_path / "rgb" / path.relative_to(tmp_path / "p"))
        assert mode == "RGB"
        assert np.array_equal(colors, read(path)[1])


def test_scalabel_json_gives_the_same_colormaps_as_masks(
    masks: Path, tmp_path: Path, drivable: Task
) -> None:
    names = [path.relative_to(masks).with_suffix("").as_posix() for path in masks.rglob("*.png")]
    frames = [
        encode_frame(f"{name}.jpg", read_mask(masks / f"{name}.png"), drivable) for name in names
    ]
    write_scalabel(tmp_path / "rle.json", frames)
    colorize_masks(masks, tmp_path / "a", drivable)
    assert colorize_masks(tmp_path / "rle.json", tmp_path / "b", drivable).drawn == len(names) == 4
    for name in names:
        mode, colors, _ = read(tmp_path / "b" / f"{name}.png")
        assert mode == "P"
        assert np.array_equal(colors, read(tmp_path / "a" / f"{name}.png")[1])


def test_a_frame_without_labels_and_size_has_no_colormap(tmp_path: Path, drivable: Task) -> None:
    (tmp_path / "rle.json").write_text('[{"name": "a.jpg"}]')
    result = colorize_masks(tmp_path / "rle.json", tmp_path / "color", drivable)
    assert "a.jpg has neither labels nor a size" in result.failures[0].message


def test_only_the_first_masks_are_written_on_request(
    masks: Path, tmp_path: Path, drivable: Task
) -> None:
    options = DrawOptions(limit=2)
    assert colorize_masks(masks, tmp_path / "color", drivable, options=options).drawn == 2
    assert sorted(path.name for path in (tmp_path / "color").iterdir()) == ["a.png", "b.png"]


def test_masks_are_not_overwritten_by_their_colormaps(
    masks: Path, tmp_path: Path, drivable: Task
) -> None:
    before = {path: path.read_bytes() for path in masks.rglob("*.png")}
    (tmp_path / "link").symlink_to(masks)
    for out in (masks, tmp_path / "link"):
        with pytest.raises(BddsegError, match="would be overwritten"):
            colorize_masks(masks, out, drivable)
    assert {path: path.read_bytes() for path in masks.rglob("*.png")} == before


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1-bit palette"])
def test_every_format_of_colormap_gives_the_same_overlay(
    tmp_path: Path, drivable: Task, mode: str
) -> None:
    labels = draw_labels((40, 60), num_classes=2) * np.uint8(2)
    path = tmp_path / "m.png"
    colormap = PIL.Image.fromarray(labels)
    if mode == "1-bit palette":
        colormap = PIL.Image.fromarray(labels // 2)
        colormap.putpalette([*drivable.colors[0], 0, 0, 0])
        colormap.save(path, bits=1)
    elif mode == "L":
        colormap.save(path)
    else:
        colormap.putpalette(list(drivable.palette))
        colormap.convert(mode).save(path)
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    colored = read_colored(MaskFile("m", path), drivable, (40, 60))
    overlay = overlay_colored(image, colored, 0.5)
    assert np.array_equal(overlay, overlay_labels(image, labels, drivable))


def test_a_photo_is_not_a_colormap(tmp_path: Path, drivable: Task) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    with pytest.raises(BddsegError, match=r"a\.png has 2400 colors: it is not a colormap"):
        read_colored(MaskFile("a", tmp_path / "a.png"), drivable, (40, 60))

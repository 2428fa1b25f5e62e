"""`bddseg vis colorize` and `bddseg vis overlay`."""

import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from bddseg.data.frames import read_frame, write_jpeg
from bddseg.data.masks import write_mask
from bddseg.data.png import SIGNATURE, make_chunk
from bddseg.demo.scenes import render_scene
from bddseg.tasks import get_task
from bddseg.vis.captions import write_box
from bddseg.vis.overlay import list_classes, overlay_colored, overlay_labels, read_colored


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


@pytest.mark.parametrize("encoder", ["ours", "OpenCV", "Pillow", "palette", "interlaced", "2-bit"])
def test_colormaps_of_any_encoder_have_the_right_pixels(run, tmp_path, encoder):
    labels = np.random.default_rng(0).integers(0, 3, (40, 61), np.uint8)
    path = tmp_path / "masks" / "m.png"
    path.parent.mkdir()
    if encoder == "ours":
        write_mask(path, labels)
    elif encoder == "OpenCV":
        cv2.imwrite(str(path), labels)
    elif encoder == "Pillow":
        Image.fromarray(labels).save(path, dpi=(72, 72))
    elif encoder == "interlaced":
        path.write_bytes(encode_interlaced(labels))
    else:
        image = Image.fromarray(labels)
        # As many bits are written as the palette's length takes.
        image.putpalette([9, 8, 7] * (4 if encoder == "2-bit" else 256))
        image.save(path, transparency=2)
        assert path.read_bytes()[24] == (2 if encoder == "2-bit" else 8)
    assert run("vis", "colorize", "-i", path.parent, "-o", tmp_path / "color")[0] == 0
    mode, colours, indices = read(tmp_path / "color" / "m.png")
    assert mode == "P"
    assert np.array_equal(indices, labels)
    assert np.array_equal(colours, np.array(get_task("drivable").colors, np.uint8)[labels])
    with Image.open(tmp_path / "color" / "m.png") as image:
        assert "transparency" not in image.info


def encode_interlaced(labels):
    """As PNG's Adam7 has it: seven passes over a grid of eight by eight."""
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
    ("spoil", "said"),
    [
        (lambda data: data[:-20], "it is cut off"),
        (lambda data: data[:60], "it is cut off"),
        (lambda data: data[:-20] + b"x" + data[-19:], "its part IDAT is damaged"),
    ],
)
def test_damage_is_found_though_no_pixel_is_decoded(run, tmp_path, spoil, said):
    path = tmp_path / "masks" / "m.png"
    write_mask(path, np.random.default_rng(0).integers(0, 3, (40, 61), np.uint8))
    path.write_bytes(spoil(path.read_bytes()))
    code, _, err = run("vis", "colorize", "-i", path.parent, "-o", tmp_path / "color")
    assert code == 1
    assert f"m.png cannot be read as a mask: {said}" in err
    assert not (tmp_path / "color" / "m.png").exists()


def test_a_mask_that_cannot_be_read_is_named_and_stops_nothing(run, masks, tmp_path):
    (masks / "broken.png").write_text("no image")
    code, out, err = run("vis", "colorize", "-i", masks, "-o", tmp_path / "color")
    assert code == 1
    assert "4 colormaps written" in out
    assert "broken.png cannot be read" in err
    assert len(list((tmp_path / "color").rglob("*.png"))) == 4


def test_the_background_of_an_overlay_is_the_frame_and_the_rest_is_blended():
    task = get_task("drivable")
    frame = np.full((1, 4, 3), 100, np.uint8)
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    overlay = overlay_labels(frame, labels, task)
    assert overlay[0].tolist() == [[160, 97, 93], [93, 156, 160], [100, 100, 100], [100, 100, 100]]
    assert np.array_equal(overlay_labels(frame, labels, task, 0.0), frame)
    assert overlay_labels(frame, labels, task, 1.0)[0, :2].tolist() == [
        list(color) for color in task.colors[:2]
    ]


def test_masks_of_another_size_are_scaled_by_nearest_neighbour_with_a_note(run, tmp_path):
    frame = np.zeros((4, 4, 3), np.uint8)
    overlay = overlay_labels(frame, np.array([[0, 2]], np.uint8), get_task("drivable"), 1.0)
    assert overlay[:, :, 0].tolist() == [[219, 219, 0, 0]] * 4
    for name, size in (("small", (36, 64)), ("large", (144, 256))):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.zeros((72, 128, 3), np.uint8))
        write_mask(tmp_path / "masks" / f"{name}.png", np.zeros(size, np.uint8))
    code, out, err = run(
        "vis", "overlay", "-i", tmp_path / "*.jpg", "-c", tmp_path / "masks", "-o", tmp_path / "o"
    )
    assert code == 0
    assert "2 overlays" in out
    assert "2 masks had another size than their frame" in err
    assert "is 256x144 and its frame 128x72" in err
    assert read_frame(tmp_path / "o" / "large.jpg").shape == (72, 128, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1-bit palette"])
def test_every_kind_of_colormap_gives_the_same_overlay(tmp_path, mode):
    task = get_task("drivable")
    labels = np.random.default_rng(0).integers(0, 2, (40, 60), np.uint8) * 2
    path = tmp_path / "m.png"
    colormap = Image.fromarray(labels)
    if mode == "1-bit palette":
        colormap = Image.fromarray(labels // 2)
        colormap.putpalette([*task.colors[0], 0, 0, 0])
        colormap.save(path, bits=1)
    elif mode == "L":
        colormap.save(path)
    else:
        colormap.putpalette(list(task.palette))
        colormap.convert(mode).save(path)
    frame = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    overlay = overlay_colored(frame, read_colored(path, task), 0.5)
    assert np.array_equal(overlay, overlay_labels(frame, labels, task))


def test_a_photo_is_no_colormap(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for folder in ("frames", "colors"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), noise)
    code, _, err = run(
        *("vis", "overlay", "-i", tmp_path / "frames", "-c", tmp_path / "colors"),
        *("-o", tmp_path / "o"),
    )
    assert code == 1
    assert "a.png has 2400 colours: it is no colormap" in err


def test_overlays_are_those_of_the_zoo(tmp_path):
    """Its method: both pictures drawn on one another by matplotlib, as large as the frame."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="comes with the bdd100k extra")
    pyplot.switch_backend("Agg")
    task = get_task("drivable")
    scene = render_scene(105)
    colors = np.array(task.palette, np.uint8).reshape(256, 3)[scene.labels]
    shown = np.where(colors.any(axis=2, keepdims=True), colors, scene.frame)
    figure = pyplot.figure(figsize=(16, 9), dpi=80)
    axes = figure.add_axes([0, 0, 1, 1], frameon=False)
    axes.axis("off")
    axes.imshow(scene.frame, interpolation="bilinear", aspect="auto")
    axes.imshow(shown, alpha=0.5)
    figure.savefig(tmp_path / "zoo.png", dpi=80)
    pyplot.close(figure)
    zoo = read_frame(tmp_path / "zoo.png").astype(int)
    ours = overlay_labels(scene.frame, scene.labels, task).astype(int)
    assert np.abs(zoo - ours).mean() < 1


def test_outlines_and_legend_are_drawn_on_request(run, tmp_path):
    scene = render_scene(105)
    write_jpeg(tmp_path / "frames" / "a.jpg", scene.frame)
    write_mask(tmp_path / "masks" / "a.png", scene.labels)
    pictures = {}
    for name, *options in (("plain",), ("contour", "--contour"), ("legend", "--legend")):
        code, _, _ = run(
            *("vis", "overlay", "-i", tmp_path / "frames", "-c", tmp_path / "masks"),
            *("-o", tmp_path / name, "--format", "png", "--alpha", "0", *options),
        )
        assert code == 0
        pictures[name] = read_frame(tmp_path / name / "a.png")
    frame = read_frame(tmp_path / "frames" / "a.jpg")
    assert np.array_equal(pictures["plain"], frame)
    changed = (pictures["contour"] != frame).any(axis=2)
    for number in (0, 1):
        region = (scene.labels == number).astype(np.uint8)
        edge = (region > 0) & (cv2.erode(region, np.ones((3, 3), np.uint8)) == 0)
        assert edge.sum() > 500
        assert (pictures["contour"][edge] == get_task("drivable").colors[number]).all()
    inside = cv2.erode((scene.labels == 0).astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert not changed[inside].any()
    boxed = np.argwhere((pictures["legend"] != frame).any(axis=2))
    assert boxed[:, 0].min() > 600
    assert boxed[:, 1].max() < 400


@pytest.mark.parametrize("size", [(720, 1280), (90, 160), (48, 64), (33, 35)])
@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_legends_show_all_their_colours_at_any_size(size, task):
    """Twenty lines have room on no stamp; then what fits is shown, and nothing breaks."""
    lines = list_classes(get_task(task))
    frame = np.zeros((*size, 3), np.uint8)
    write_box(frame, lines, bottom=True)
    found = {tuple(color) for color in frame.reshape(-1, 3).tolist()}
    shown = sum(color in found for color, _ in lines)
    has_room = size[0] > 100 or (size[0] > 40 and len(lines) == 2)
    assert shown == len(lines) if has_room else shown >= 1


def test_resuming_keeps_what_is_newer_than_what_it_shows(run, frames, masks, tmp_path):
    out = tmp_path / "o"
    command = ("vis", "overlay", "-i", frames, "-c", masks, "-o", out, "--resume")
    assert "4 overlays written" in run(*command)[1]
    first = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert "0 overlays written to" in (text := run(*command)[1])
    assert "4 kept" in text
    changed, removed, *_ = sorted(masks.rglob("*.png"))
    changed.touch()
    (out / removed.relative_to(masks)).with_suffix(".jpg").unlink()
    code, text, _ = run(*command)
    assert (code, "2 overlays written" in text, "2 kept" in text) == (0, True, True)
    again = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert sum(first[path] != again[path] for path in first) == 2


def test_an_output_that_cannot_be_written_is_said(run, frames, masks, tmp_path):
    (tmp_path / "file").write_text("")
    for command in (("colorize", "-i", masks), ("overlay", "-i", frames, "-c", masks)):
        code, out, err = run("vis", *command, "-o", tmp_path / "file")
        assert code == 1
        assert "0 " in out
        assert f"Cannot write {tmp_path / 'file'}" in err


def test_masks_are_not_coloured_in_their_own_place(run, masks):
    before = {path: path.read_bytes() for path in masks.rglob("*.png")}
    assert run("vis", "colorize", "-i", masks, "-o", masks)[0] == 1
    assert {path: path.read_bytes() for path in masks.rglob("*.png")} == before


def test_plain_rgb_has_the_colours_too(run, masks, tmp_path):
    for folder, *options in (("p",), ("rgb", "--rgb")):
        assert run("vis", "colorize", "-i", masks, "-o", tmp_path / folder, *options)[0] == 0
    for path in (tmp_path / "p").rglob("*.png"):
        mode, colours, _ = read(tmp_path / "rgb" / path.relative_to(tmp_path / "p"))
        assert mode == "RGB"
        assert np.array_equal(colours, read(path)[1])


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

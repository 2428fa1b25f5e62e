"""Overlays: the zoo's method, other sizes, contours, legends."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bddseg.data.image import read_image, write_jpeg
from bddseg.data.label_set import MaskFile, open_label_set
from bddseg.data.mask import read_mask, write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.tasks.task import Task
from bddseg.types import Image, LabelMap
from bddseg.vis.colorize import colorize_masks
from bddseg.vis.overlay import (
    ImageFormat,
    OverlayStyle,
    draw_overlay,
    overlay_frames,
    overlay_labels,
)


def test_the_background_stays_the_frame_and_the_rest_is_blended(drivable: Task) -> None:
    image = np.full((1, 4, 3), 100, np.uint8)
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    overlay = overlay_labels(image, labels, drivable)
    assert overlay[0].tolist() == [[160, 97, 93], [93, 156, 160], [100, 100, 100], [100, 100, 100]]
    assert np.array_equal(overlay_labels(image, labels, drivable, 0.0), image)
    assert overlay_labels(image, labels, drivable, 1.0)[0, :2].tolist() == [
        list(color) for color in drivable.colors[:2]
    ]


def test_masks_of_another_size_are_resized_by_nearest_neighbor_with_a_note(
    tmp_path: Path, drivable: Task
) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    overlay = overlay_labels(image, np.array([[0, 2]], np.uint8), drivable, 1.0)
    assert overlay[:, :, 0].tolist() == [[219, 219, 0, 0]] * 4
    for name, size in (("small", (36, 64)), ("large", (144, 256))):
        write_jpeg(tmp_path / f"{name}.jpg", np.zeros((72, 128, 3), np.uint8))
        write_mask(tmp_path / "masks" / f"{name}.png", np.zeros(size, np.uint8))
    result = overlay_frames(str(tmp_path / "*.jpg"), tmp_path / "masks", tmp_path / "o", drivable)
    assert (result.drawn, result.failures, len(result.resized)) == (2, (), 2)
    assert result.resized[0].endswith("large.png is 256x144, its frame 128x72")
    assert read_image(tmp_path / "o" / "large.jpg").shape == (72, 128, 3)


def test_overlays_are_those_of_the_zoo(
    tmp_path: Path, scene: tuple[Image, LabelMap], drivable: Task
) -> None:
    """The zoo's script draws both images on one another by matplotlib, at the frame's size."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="comes with the bdd100k extra")
    pyplot.switch_backend("Agg")
    image, labels = scene
    colors = np.array(drivable.palette, np.uint8).reshape(256, 3)[labels]
    shown = np.where(colors.any(axis=2, keepdims=True), colors, image)
    figure = pyplot.figure(figsize=(16, 9), dpi=80)
    axes = figure.add_axes([0, 0, 1, 1], frameon=False)
    axes.axis("off")
    axes.imshow(image, interpolation="bilinear", aspect="auto")
    axes.imshow(shown, alpha=0.5)
    figure.savefig(tmp_path / "zoo.png", dpi=80)
    pyplot.close(figure)
    zoo = read_image(tmp_path / "zoo.png").astype(int)
    ours = overlay_labels(image, labels, drivable).astype(int)
    assert np.abs(zoo - ours).mean() < 1


def test_contours_and_legend_are_drawn_on_request(
    tmp_path: Path, scene: tuple[Image, LabelMap], drivable: Task
) -> None:
    image, labels = scene
    write_mask(tmp_path / "a.png", labels)

    def draw(style: OverlayStyle) -> Image:
        return draw_overlay(image, MaskFile("a", tmp_path / "a.png"), drivable, style)[0]

    assert np.array_equal(draw(OverlayStyle(alpha=0)), image)
    contours = draw(OverlayStyle(alpha=0, contour=True))
    for number in (0, 1):
        region = (labels == number).astype(np.uint8)
        edge = (region > 0) & (cv2.erode(region, np.ones((3, 3), np.uint8)) == 0)
        assert edge.sum() > 500
        assert (contours[edge] == drivable.colors[number]).all()
    inside = cv2.erode((labels == 0).astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert not (contours != image).any(axis=2)[inside].any()
    legend = draw(OverlayStyle(alpha=0, legend=True))
    boxed = np.argwhere((legend != image).any(axis=2))
    assert boxed[:, 0].min() > 600
    assert boxed[:, 1].max() < 400


def test_masks_colormaps_and_scalabel_json_give_the_same_overlays(
    frames: Path, masks: Path, tmp_path: Path, drivable: Task
) -> None:
    colorize_masks(masks, tmp_path / "palette", drivable)
    colorize_masks(masks, tmp_path / "rgb", drivable, rgb=True)
    refs = open_label_set(masks, drivable).values()
    write_scalabel(
        tmp_path / "rle.json",
        [encode_frame(f"{ref.name}.jpg", read_mask(ref.path), drivable) for ref in refs],
    )
    written = {}
    for name in ("masks", "palette", "rgb", "rle.json"):
        out = tmp_path / "out" / name
        result = overlay_frames(str(frames), tmp_path / name, out, drivable)
        assert (result.drawn, len(result.unpaired)) == (4, 1)
        written[name] = {
            path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.jpg")
        }
    assert sorted(written["masks"]) == ["a.jpg", "b.jpg", "night/c.jpg", "night/rain/d.jpg"]
    assert all(overlays == written["masks"] for overlays in written.values())


def test_a_frame_without_labels_and_size_in_scalabel_json_stays_as_it_is(
    frames: Path, tmp_path: Path, drivable: Task
) -> None:
    (tmp_path / "rle.json").write_text('[{"name": "b.png"}]')
    overlay_frames(str(frames), tmp_path / "rle.json", tmp_path / "o", drivable, image_format="png")
    assert np.array_equal(read_image(tmp_path / "o" / "b.png"), read_image(frames / "b.png"))


def test_the_channels_of_the_frame_are_not_swapped(tmp_path: Path, drivable: Task) -> None:
    blue = np.zeros((32, 32, 3), np.uint8)
    blue[..., 2] = 200
    write_jpeg(tmp_path / "frames" / "f.jpg", blue)
    write_mask(tmp_path / "masks" / "f.png", np.full((32, 32), 2, np.uint8))
    overlay_frames(str(tmp_path / "frames"), tmp_path / "masks", tmp_path / "o", drivable)
    overlay = read_image(tmp_path / "o" / "f.jpg")[16, 16].astype(int)
    assert np.abs(overlay - [0, 0, 200]).max() < 10


def test_overlays_overwrite_neither_frames_nor_masks(
    frames: Path, masks: Path, tmp_path: Path, drivable: Task
) -> None:
    """A single frame and its folder as output; PNG overlays in the folder of the masks."""
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    cases: list[tuple[Path, Path, ImageFormat]] = [
        (frames / "a.jpg", frames, "jpg"),
        (frames, masks, "png"),
    ]
    for source, out, image_format in cases:
        with pytest.raises(BddsegError, match="is an input and would be overwritten"):
            overlay_frames(str(source), masks, out, drivable, image_format=image_format)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before

"""Label maps of synthetic scenes, and writing them in every encoding."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from bddseg.data.mask import write_mask
from bddseg.tasks.bdd100k import DRIVABLE
from bddseg.types import LabelMap
from bddseg.vis.colorize import encode_colormap

# From class ids to legacy ids: 0 for the background, then direct and alternative.
LEGACY = np.array([1, 2, 0], np.uint8)

Scenes = Mapping[str, LabelMap]


def draw_scene(seed: int) -> LabelMap:
    """Return the label map of a road with a lane beside ours, (720, 1280), uint8."""
    rng = np.random.default_rng(seed)
    labels = np.full((720, 1280), 2, np.uint8)
    top, vanishing_x = int(rng.integers(300, 420)), int(rng.integers(500, 780))
    edges = np.sort(rng.integers(-300, 1580, 3))
    for class_id, (left, right) in enumerate(pairwise(edges)):
        corners = [
            (vanishing_x - 12 + 8 * class_id, top),
            (vanishing_x + 8 * class_id, top),
            (right, 719),
            (left, 719),
        ]
        cv2.fillPoly(labels, [np.array(corners, np.int32)], class_id)
    return labels


def draw_scenes() -> dict[str, LabelMap]:
    """Return four scenes by name, each with all three classes."""
    return {f"scene{seed}": draw_scene(seed) for seed in range(1, 5)}


def write_legacy(path: Path, labels: LabelMap) -> None:
    """Write a mask of legacy ids."""
    write_mask(path, LEGACY[labels])


def write_palette(path: Path, labels: LabelMap) -> None:
    """Write a colormap as an indexed image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_colormap(labels, DRIVABLE))


def write_rgb(path: Path, labels: LabelMap) -> None:
    """Write a colormap of three channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = np.array(DRIVABLE.palette, np.uint8).reshape(256, 3)
    PIL.Image.fromarray(palette[labels]).save(path)


def write_rgba(path: Path, labels: LabelMap) -> None:
    """Write four channels, as instance bitmasks have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.stack([labels] * 4, axis=2)).save(path)


Write = Callable[[Path, LabelMap], None]

WRITERS: Mapping[str, Write] = {
    "current": write_mask,
    "legacy": write_legacy,
    "palette": write_palette,
    "rgb": write_rgb,
}


def write_scenes(folder: Path, scenes: Scenes, encoding: str) -> Path:
    """Write scenes into a subfolder, and return the folder."""
    for name, labels in scenes.items():
        WRITERS[encoding](folder / "sub" / f"{name}.png", labels)
    return folder

"""Colormaps: masks in the colors of their task."""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from bddseg.data.image import encode_png_rgb
from bddseg.data.label_set import LabelMapRef, MaskFile, open_label_set
from bddseg.errors import BddsegError
from bddseg.io.png import (
    encode_png,
    is_8bit_single_channel,
    read_png,
    read_png_bytes,
    recolor_png,
)
from bddseg.tasks.task import Task
from bddseg.types import Image, LabelMap, SizeHW
from bddseg.vis.batch import DEFAULT_OPTIONS, DrawJob, DrawOptions, DrawResult, draw_images


@dataclass(frozen=True, slots=True)
class ColoredLabels:
    """A label map and its colors.

    Attributes:
        labels: Indices into the palette, (H, W), uint8.
        palette: RGB of each index, (256, 3), uint8. Overlays do not draw black.
    """

    labels: LabelMap
    palette: Image


def colorize_masks(
    masks: Path,
    out: Path,
    task: Task,
    *,
    rgb: bool = False,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> DrawResult:
    """Write a colormap for each mask, under the same name.

    Args:
        masks: A folder of masks, or Scalabel JSON; see `open_label_set`.
        out: Another folder.
        task: Task of the masks, which gives the colors.
        rgb: Write three channels instead of a palette.
        options: See `DrawOptions`.

    Raises:
        BddsegError: there are no masks, or a colormap would overwrite a file.
    """
    label_set = open_label_set(masks, task)
    jobs = [
        DrawJob(
            target=out / f"{ref.name}.png",
            inputs=(ref.path,),
            draw=partial(_draw_colormap, ref, task, rgb=rgb),
        )
        for ref in islice(label_set.values(), options.limit)
    ]
    return draw_images(jobs, "Colorizing", options=options)


def encode_colormap(labels: LabelMap, task: Task) -> bytes:
    """Return labels (H, W), uint8, as the bytes of a palette PNG in the task's colors."""
    return encode_png(labels, task.palette)


def paint(labels: LabelMap, palette: Image) -> Image:
    """Return a label map in color, RGB, (H, W, 3), uint8.

    Args:
        labels: Class ids, (H, W), uint8.
        palette: RGB of each id, (256, 3), uint8.
    """
    return cv2.applyColorMap(labels, palette.reshape(256, 1, 3)).astype(np.uint8, copy=False)


def get_palette(task: Task) -> Image:
    """Return the RGB of each id of a task, (256, 3), uint8."""
    return np.array(task.palette, np.uint8).reshape(256, 3)


def read_colored(ref: LabelMapRef, task: Task, size_hw: SizeHW) -> ColoredLabels:
    """Return a mask in the task's colors, or a colormap in its own colors.

    Args:
        ref: A mask, a colormap or a frame of a JSON file.
        task: Task of the masks.
        size_hw: Size to use if the JSON file has neither labels nor a size for the frame.

    Raises:
        BddsegError: it cannot be read, or has too many colors for a colormap.
    """
    if isinstance(ref, MaskFile):
        return _read_file(ref.path, task)
    labels = ref.read()
    if labels is None:
        labels = np.full(size_hw, task.fill_id, np.uint8)
    return ColoredLabels(labels, get_palette(task))


def _read_file(path: Path, task: Task) -> ColoredLabels:
    image = read_png(path)
    if image.palette is not None:
        return ColoredLabels(image.pixels, image.palette)
    if image.is_single_channel:
        return ColoredLabels(image.pixels, get_palette(task))
    return _index_colors(path, image.to_rgb())


def _index_colors(path: Path, pixels: Image) -> ColoredLabels:
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, labels = np.unique(codes, return_inverse=True)
    if len(found) > 256:
        raise BddsegError(
            f"{path} has {len(found)} colors: it is not a colormap.",
            "Give a folder of masks or colormaps with -r.",
        )
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(found)] = (found[:, None] >> np.array([16, 8, 0], np.uint32)) & 255
    return ColoredLabels(labels.reshape(codes.shape).astype(np.uint8), palette)


def _draw_colormap(ref: LabelMapRef, task: Task, *, rgb: bool) -> tuple[bytes, str]:
    if isinstance(ref, MaskFile) and not rgb:
        data = read_png_bytes(ref.path)
        # Only the header changes, so no pixel is decoded.
        if is_8bit_single_channel(data):
            return recolor_png(data, task.palette), ""
    labels = ref.read()
    if labels is None:
        raise BddsegError(
            f"{ref.origin} has neither labels nor a size.", "Add the size of the frame to the file."
        )
    if rgb:
        return encode_png_rgb(paint(labels, get_palette(task))), ""
    return encode_colormap(labels, task), ""

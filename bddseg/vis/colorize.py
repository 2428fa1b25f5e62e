"""Colormaps: masks with their task's palette."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bddseg.data.frames import Frame, encode_png_rgb
from bddseg.data.masks import Labels, list_masks, read_mask
from bddseg.data.png import encode_png, has_one_byte, recolor_png
from bddseg.errors import BddsegError
from bddseg.progress import Track, track_silently
from bddseg.tasks import Task
from bddseg.vis.pictures import Outcome, Picture, draw_pictures


def colorize_masks(
    masks: Path,
    out: Path,
    task: Task,
    *,
    rgb: bool = False,
    resume: bool = False,
    workers: int = 1,
    track: Track = track_silently,
) -> Outcome:
    """Write a colormap for each mask below a folder, under the same name.

    Args:
        masks: a folder of masks, with its subfolders.
        out: another folder.
        task: whose colours they get.
        rgb: write three channels instead of a palette.
        resume: keep colormaps that are no older than their masks.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: the folder does not exist or holds no masks, or is `out`.
    """
    if masks.resolve() == out.resolve():
        raise BddsegError(
            f"The masks in {masks} would be overwritten.", "Choose another folder with -o."
        )
    pictures = [
        Picture(
            target=out / path.relative_to(masks),
            sources=(path,),
            draw=partial(_colorize, path, task, rgb=rgb),
        )
        for path in list_masks(masks)
    ]
    return draw_pictures(pictures, "Colorizing", resume=resume, workers=workers, track=track)


def encode_colormap(labels: Labels, task: Task) -> bytes:
    """Return labels (H, W), uint8, as the bytes of a palette PNG in the task's colours."""
    return encode_png(labels, task.palette)


def paint(labels: Labels, palette: Frame) -> Frame:
    """Return labels (H, W), uint8, in colours, (H, W, 3), uint8.

    Args:
        labels: class ids.
        palette: RGB of each id, (256, 3), uint8.
    """
    return cv2.applyColorMap(labels, palette.reshape(256, 1, 3)).astype(np.uint8, copy=False)


def get_palette(task: Task) -> Frame:
    """Return the RGB of each id of a task, (256, 3), uint8."""
    return np.array(task.palette, np.uint8).reshape(256, 3)


def _colorize(mask: Path, task: Task, *, rgb: bool) -> tuple[bytes, str]:
    if rgb:
        return encode_png_rgb(paint(read_mask(mask), get_palette(task))), ""
    try:
        data = mask.read_bytes()
        if has_one_byte(data):
            return recolor_png(data, task.palette), ""
    except (OSError, ValueError) as error:
        raise BddsegError(f"{mask} cannot be read as a mask: {error}.", "Make it again.") from error
    return encode_colormap(read_mask(mask), task), ""

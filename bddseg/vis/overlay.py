"""Overlays: the colors of masks blended onto frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from bddseg.data.image import encode_jpeg, encode_png_rgb, read_image
from bddseg.data.label_set import LabelMapRef, open_label_set
from bddseg.tasks.task import Task
from bddseg.types import Image, LabelMap
from bddseg.vis.batch import (
    DEFAULT_OPTIONS,
    DrawJob,
    DrawOptions,
    DrawResult,
    draw_images,
    match_frames,
)
from bddseg.vis.colorize import ColoredLabels, get_palette, paint, read_colored
from bddseg.vis.text import Line, draw_text_box

ImageFormat = Literal["jpg", "png"]

# Thickness of contours, as a fraction of the frame's height.
_CONTOUR_THICKNESS = 1 / 240


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayStyle:
    """How overlays are drawn.

    Attributes:
        alpha: Opacity of the colors, 0 to 1.
        contour: Draw the contours of regions in full color.
        legend: Draw a legend of the classes.
    """

    alpha: float = 0.5
    contour: bool = False
    legend: bool = False


DEFAULT_STYLE = OverlayStyle()


def overlay_frames(
    frames: str,
    results: Path,
    out: Path,
    task: Task,
    *,
    style: OverlayStyle = DEFAULT_STYLE,
    image_format: ImageFormat = "jpg",
    options: DrawOptions = DEFAULT_OPTIONS,
) -> DrawResult:
    """Write an overlay for each frame that has a mask, under the name of the frame.

    Args:
        frames: An image, a folder, a glob pattern or a list file.
        results: A folder of masks or colormaps, or Scalabel JSON; see `open_label_set`.
        out: A folder.
        task: Task of the masks, which gives the colors.
        style: How overlays are drawn.
        image_format: Format of the overlays.
        options: See `DrawOptions`.

    Raises:
        BddsegError: there are no frames or no masks, no frame has a mask, or an overlay would
            overwrite a file.
    """
    frame_set = match_frames(frames, [open_label_set(results, task)], exclude=out)
    encode = encode_jpeg if image_format == "jpg" else encode_png_rgb

    def draw(path: Path, ref: LabelMapRef) -> tuple[bytes, str]:
        overlay, note = draw_overlay(read_image(path), ref, task, style)
        return encode(overlay), note

    jobs = [
        DrawJob(
            target=out / f"{frame.name}.{image_format}",
            inputs=(frame.path, ref.path),
            draw=partial(draw, frame.path, ref),
        )
        for frame, (ref,) in frame_set.matched[: options.limit]
    ]
    return draw_images(jobs, "Drawing overlays", unpaired=frame_set.unpaired, options=options)


def draw_overlay(
    image: Image, ref: LabelMapRef, task: Task, style: OverlayStyle
) -> tuple[Image, str]:
    """Return the overlay of a mask or colormap, and a note if it had to be resized, else "".

    Raises:
        BddsegError: the mask cannot be read.
    """
    colored = read_colored(ref, task, (image.shape[0], image.shape[1]))
    overlay = overlay_colored(image, colored, style.alpha)
    if style.contour:
        _draw_contours(overlay, colored)
    if style.legend:
        draw_text_box(overlay, list_legend(task), bottom=True)
    return overlay, describe_resizing(ref, colored.labels, image)


def overlay_labels(image: Image, labels: LabelMap, task: Task, alpha: float = 0.5) -> Image:
    """Return the image with the colors of its labels blended in; the background does not change.

    Args:
        image: RGB, (H, W, 3), uint8.
        labels: Class ids, (h, w), uint8; resized by nearest neighbor if the size differs.
        task: Task of the labels, which gives the colors.
        alpha: Opacity of the colors, 0 to 1.
    """
    return overlay_colored(image, ColoredLabels(labels, get_palette(task)), alpha)


def overlay_colored(image: Image, colored: ColoredLabels, alpha: float) -> Image:
    """Return the image with colors blended in; pixels whose color is black do not change.

    Args:
        image: RGB, (H, W, 3), uint8.
        colored: Labels of any size; resized by nearest neighbor.
        alpha: Opacity of the colors, 0 to 1.
    """
    labels = resize_labels(colored.labels, image)
    blended = cv2.addWeighted(image, 1 - alpha, paint(labels, colored.palette), alpha, 0)
    black = np.where(colored.palette.any(axis=1), 0, 255).astype(np.uint8)
    return cv2.copyTo(image, cv2.LUT(labels, black), blended).astype(np.uint8, copy=False)


def resize_labels(labels: LabelMap, image: Image) -> LabelMap:
    """Return labels at the size of an image, resized by nearest neighbor."""
    height, width = image.shape[:2]
    if labels.shape == (height, width):
        return labels
    resized = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.uint8, copy=False)


def describe_resizing(ref: LabelMapRef, labels: LabelMap, image: Image) -> str:
    """Return a note if labels and image differ in size, else ""."""
    if labels.shape == image.shape[:2]:
        return ""
    return (
        f"{ref.origin} is {labels.shape[1]}x{labels.shape[0]}, "
        f"its frame {image.shape[1]}x{image.shape[0]}"
    )


def list_legend(task: Task) -> Sequence[Line]:
    """Return the lines of a legend: the classes that are not black."""
    return [
        (color, name) for name, color in zip(task.classes, task.colors, strict=True) if any(color)
    ]


def _draw_contours(image: Image, colored: ColoredLabels) -> None:
    """Draw the edge of each region inside the region, so that neighbors do not overlap."""
    labels = resize_labels(colored.labels, image)
    thickness = max(1, round(image.shape[0] * _CONTOUR_THICKNESS))
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    for index in np.unique(labels):
        color = colored.palette[index]
        if color.any():
            region = (labels == index).astype(np.uint8)
            image[region > cv2.erode(region, kernel)] = color

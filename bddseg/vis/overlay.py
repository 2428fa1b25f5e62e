"""Overlays: colours blended onto frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bddseg.data.frames import Frame, encode_jpeg, encode_png_rgb, read_frame
from bddseg.data.masks import Labels, read_mask
from bddseg.data.png import is_plain_grey
from bddseg.errors import BddsegError
from bddseg.progress import Track, track_silently
from bddseg.tasks import Task
from bddseg.vis.captions import Line, write_box
from bddseg.vis.colorize import get_palette, paint
from bddseg.vis.kinds import PictureFormat
from bddseg.vis.pairs import pair_frames
from bddseg.vis.pictures import Outcome, Picture, draw_pictures

# Of outlines, as a share of the frame's height.
_OUTLINE_SHARE = 1 / 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How overlays are drawn.

    Attributes:
        alpha: 0 shows the frame alone, 1 the colours alone.
        contour: whether regions are outlined too, in their full colour.
        legend: whether a box says what the colours mean.
    """

    alpha: float = 0.5
    contour: bool = False
    legend: bool = False


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class ColoredLabels:
    """A mask or a colormap.

    Attributes:
        labels: (H, W), uint8.
        palette: RGB of each label, (256, 3), uint8; black ones stay untouched.
    """

    labels: Labels
    palette: Frame


def overlay_frames(
    frames: str,
    masks: Path,
    out: Path,
    task: Task,
    *,
    style: Style = PLAIN,
    picture_format: PictureFormat = PictureFormat.JPG,
    limit: int | None = None,
    resume: bool = False,
    workers: int = 1,
    track: Track = track_silently,
) -> Outcome:
    """Write an overlay for each frame that has a mask, under the frame's name.

    Args:
        frames: an image, a folder, a glob or a list, as for inference.
        masks: a folder of masks or colormaps; see `pair_frames`.
        out: a folder.
        task: whose colours masks get.
        style: how they are drawn.
        picture_format: of the files.
        limit: only so many frames, the first ones.
        resume: keep overlays that are no older than their frame and mask.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: no frames, no masks, or none that pair.
    """
    pairs = pair_frames(frames, [masks], out)
    encode = encode_jpeg if picture_format is PictureFormat.JPG else encode_png_rgb

    def draw(frame: Path, mask: Path) -> tuple[bytes, str]:
        picture, remark = draw_overlay(read_frame(frame), mask, task, style)
        return encode(picture), remark

    pictures = [
        Picture(
            target=out / f"{frame.name}.{picture_format}",
            sources=(frame.path, mask),
            draw=partial(draw, frame.path, mask),
        )
        for frame, (mask,) in pairs.complete[:limit]
    ]
    return draw_pictures(
        pictures,
        "Drawing overlays",
        unpaired=pairs.unpaired,
        resume=resume,
        workers=workers,
        track=track,
    )


def draw_overlay(frame: Frame, mask: Path, task: Task, style: Style) -> tuple[Frame, str]:
    """Return a frame with a mask or colormap from a file, and a remark if that had to be scaled.

    Raises:
        BddsegError: the file cannot be read.
    """
    colored = read_colored(mask, task)
    picture = overlay_colored(frame, colored, style.alpha)
    if style.contour:
        _outline(picture, colored)
    if style.legend:
        write_box(picture, list_classes(task), bottom=True)
    return picture, describe_scaling(mask, colored.labels, frame)


def overlay_labels(frame: Frame, labels: Labels, task: Task, alpha: float = 0.5) -> Frame:
    """Return the frame with its labels' colours blended in; the background stays untouched.

    Args:
        frame: RGB, (H, W, 3), uint8.
        labels: class ids, (h, w), uint8; of another size, they are scaled by nearest neighbour.
        task: whose colours.
        alpha: the colours' share, 0 to 1.
    """
    return overlay_colored(frame, ColoredLabels(labels, get_palette(task)), alpha)


def overlay_colored(frame: Frame, colored: ColoredLabels, alpha: float) -> Frame:
    """Return the frame with colours blended in; where they are black, it stays untouched.

    Args:
        frame: RGB, (H, W, 3), uint8.
        colored: of any size; scaled by nearest neighbour.
        alpha: the colours' share, 0 to 1.
    """
    labels = fit_labels(colored.labels, frame)
    blended = cv2.addWeighted(frame, 1 - alpha, paint(labels, colored.palette), alpha, 0)
    black = np.where(colored.palette.any(axis=1), 0, 255).astype(np.uint8)
    return cv2.copyTo(frame, cv2.LUT(labels, black), blended).astype(np.uint8, copy=False)


def fit_labels(labels: Labels, frame: Frame) -> Labels:
    """Return labels at a frame's size, scaled by nearest neighbour."""
    height, width = frame.shape[:2]
    if labels.shape == (height, width):
        return labels
    scaled = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return scaled.astype(np.uint8, copy=False)


def describe_scaling(mask: Path, labels: Labels, frame: Frame) -> str:
    """Return a remark if labels have another size than their frame, else nothing."""
    if labels.shape == frame.shape[:2]:
        return ""
    return (
        f"{mask} is {labels.shape[1]}x{labels.shape[0]} and its frame "
        f"{frame.shape[1]}x{frame.shape[0]}"
    )


def list_classes(task: Task) -> Sequence[Line]:
    """Return the lines of a legend: the classes that have a colour."""
    return [
        (color, name) for name, color in zip(task.classes, task.colors, strict=True) if any(color)
    ]


def read_colored(path: Path, task: Task) -> ColoredLabels:
    """Return a mask in its task's colours, or a colormap in its own.

    Raises:
        BddsegError: the file cannot be read, or has too many colours to be a colormap.
    """
    try:
        data = path.read_bytes()
        if is_plain_grey(data):
            return ColoredLabels(read_mask(path), get_palette(task))
        with Image.open(path) as image:
            if image.mode == "L":
                return ColoredLabels(np.asarray(image), get_palette(task))
            if image.mode == "P":
                colors = image.convert("P").getpalette("RGB") or []
                palette = np.zeros(768, np.uint8)
                palette[: len(colors)] = colors
                return ColoredLabels(np.asarray(image), palette.reshape(256, 3))
            return _index_colors(path, np.asarray(image.convert("RGB")))
    except (OSError, SyntaxError, ValueError) as error:
        raise BddsegError(f"{path} cannot be read as a mask: {error}.", "Make it again.") from error


def _index_colors(path: Path, pixels: Frame) -> ColoredLabels:
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, labels = np.unique(codes, return_inverse=True)
    if len(found) > 256:
        raise BddsegError(
            f"{path} has {len(found)} colours: it is no colormap.", "Give masks or colormaps."
        )
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(found)] = (found[:, None] >> np.array([16, 8, 0], np.uint32)) & 255
    return ColoredLabels(labels.reshape(codes.shape).astype(np.uint8), palette)


def _outline(picture: Frame, colored: ColoredLabels) -> None:
    """Draw each region's edge within the region, so that neighbours do not hide each other's."""
    labels = fit_labels(colored.labels, picture)
    thickness = max(1, round(picture.shape[0] * _OUTLINE_SHARE))
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    for number in np.unique(labels):
        color = colored.palette[number]
        if color.any():
            region = (labels == number).astype(np.uint8)
            picture[region > cv2.erode(region, kernel)] = color

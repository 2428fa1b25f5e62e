"""Overlays: colours blended onto frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bddseg.data.frames import Frame, read_frame, write_jpeg
from bddseg.data.masks import Labels, list_masks
from bddseg.data.sources import FrameRef, find_frames
from bddseg.errors import BddsegError
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlays:
    """What drawing a folder came to.

    Attributes:
        drawn: number of overlays written.
        unpaired: frames without a mask.
        failures: one for each frame that could not be drawn.
    """

    drawn: int
    unpaired: tuple[Path, ...]
    failures: tuple[BddsegError, ...]


def overlay_frames(
    frames: str,
    masks: Path,
    out: Path,
    task: Task,
    *,
    alpha: float = 0.5,
    limit: int | None = None,
    workers: int = 1,
    track: Track = track_silently,
) -> Overlays:
    """Write an overlay for each frame that has a mask: JPEG, under the frame's name.

    Args:
        frames: an image, a folder, a glob or a list, as for inference.
        masks: a folder of masks or colormaps. A frame's is the one at the same place below the
            folder or, failing that, of the same stem anywhere in it.
        out: a folder.
        task: whose colours masks get.
        alpha: 0 shows the frame alone, 1 the colours alone.
        limit: only so many frames, the first ones.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: no frames, no masks, or none that pair.
    """
    found = find_frames(frames, exclude=out)
    places = _place_masks(masks)
    pairs = [(frame, places.get(frame.name) or places.get(frame.path.stem)) for frame in found]
    paired = [(frame, mask) for frame, mask in pairs if mask is not None]
    if not paired:
        raise BddsegError(
            f"No mask in {masks} has the name of a frame of {frames} "
            f"(such as {found[0].path.stem}).",
            "Frames and masks are paired by file name without the suffix; check both.",
        )
    draw = partial(_draw_pair, out=out, task=task, alpha=alpha)
    outcomes = list(map_in_threads(draw, track(paired[:limit], "Drawing overlays"), workers))
    failures = tuple(outcome for outcome in outcomes if outcome is not None)
    return Overlays(
        drawn=len(outcomes) - len(failures),
        unpaired=tuple(frame.path for frame, mask in pairs if mask is None),
        failures=failures,
    )


def overlay_labels(frame: Frame, labels: Labels, task: Task, alpha: float = 0.5) -> Frame:
    """Return the frame with its labels' colours blended in; the background stays untouched.

    Args:
        frame: RGB, (H, W, 3), uint8.
        labels: class ids, (h, w), uint8.
        task: whose colours.
        alpha: the colours' share, 0 to 1.
    """
    return overlay_colors(frame, _paint(labels, task), alpha)


def overlay_colors(frame: Frame, colors: Frame, alpha: float) -> Frame:
    """Return the frame with the colours blended in; black stays untouched.

    Args:
        frame: RGB, (H, W, 3), uint8.
        colors: RGB, (h, w, 3), uint8; of another size, it is scaled by nearest neighbour.
        alpha: the colours' share, 0 to 1.
    """
    height, width = frame.shape[:2]
    if colors.shape[:2] != (height, width):
        colors = cv2.resize(colors, (width, height), interpolation=cv2.INTER_NEAREST).astype(
            np.uint8, copy=False
        )
    blended = cv2.addWeighted(frame, 1 - alpha, colors, alpha, 0)
    return np.where(colors.any(axis=2, keepdims=True), blended, frame).astype(np.uint8, copy=False)


def read_colors(path: Path, task: Task) -> Frame:
    """Return a mask in its task's colours, or a colormap as it is: RGB, (H, W, 3), uint8.

    Raises:
        BddsegError: the file cannot be read.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "L":
                return _paint(np.asarray(image), task)
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise BddsegError(f"{path} cannot be read as a mask: {error}.", "Make it again.") from error


def _paint(labels: Labels, task: Task) -> Frame:
    palette = np.array(task.palette, np.uint8).reshape(256, 3)
    return palette[labels]


def _place_masks(masks: Path) -> dict[str, Path]:
    """Return masks by stem and by place below the folder; places win over stems."""
    paths: Sequence[Path] = list_masks(masks)
    by_stem = {path.stem: path for path in paths}
    return by_stem | {path.relative_to(masks).with_suffix("").as_posix(): path for path in paths}


def _draw_pair(pair: tuple[FrameRef, Path], *, out: Path, task: Task, alpha: float) -> None:
    frame, mask = pair
    overlay = overlay_colors(read_frame(frame.path), read_colors(mask, task), alpha)
    write_jpeg(out / f"{frame.name}.jpg", overlay)

"""Overlays as a video. Needs PyAV, the extra `video`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from bddseg.data.image import read_image
from bddseg.data.label_set import LabelMapRef, LabelSet, open_label_set
from bddseg.data.sources.video import import_av, index_video, is_video, read_video_frames
from bddseg.errors import BddsegError
from bddseg.io.atomic import open_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.progress import map_in_threads
from bddseg.tasks.task import Task
from bddseg.types import Image
from bddseg.vis.batch import (
    DEFAULT_OPTIONS,
    DrawOptions,
    DrawResult,
    match_frames,
)
from bddseg.vis.overlay import DEFAULT_STYLE, OverlayStyle, draw_overlay

_CODECS = ("libx264", "h264", "mpeg4")
_DEFAULT_FPS = Fraction(30)


# A frame, its image file (read when it is drawn) or why it cannot be read; and its mask.
_Item = tuple[Image | Path | BddsegError, LabelMapRef]


@dataclass(frozen=True, slots=True)
class _Clip:
    """The frames to show.

    Attributes:
        frames: Each frame with its mask.
        length: Number of frames.
        fps: Frames per second.
        unpaired: Frames without a mask.
    """

    frames: Iterable[_Item]
    length: int
    fps: Fraction
    unpaired: tuple[Path, ...] = ()


def overlay_video(
    source: str,
    results: Path,
    out: Path,
    task: Task,
    *,
    style: OverlayStyle = DEFAULT_STYLE,
    side_by_side: bool = False,
    fps: Fraction | None = None,
    names: Iterable[str] | None = None,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> DrawResult:
    """Write the overlays of all frames that have a mask as an MP4.

    Args:
        source: A video, whose masks are named by frame number as `bddseg infer` names them; or an
            image folder, a glob pattern or a list file, shown in the order of the names.
        results: A folder of masks or colormaps, or Scalabel JSON; see `open_label_set`.
        out: The MP4 file.
        task: Task of the masks, which gives the colors.
        style: How overlays are drawn.
        side_by_side: Show the frame on the left and the overlay on the right.
        fps: Frames per second. By default that of the video, divided by the step between the first
            two masks, or 30.
        names: Only label maps of these names.
        options: See `DrawOptions`; `resume` has no effect.

    Raises:
        BddsegError: PyAV is missing, the source cannot be read, no frame has a mask, or `out` is
            not an MP4 file, would overwrite a file, or cannot be written.
    """
    if out.suffix.lower() != ".mp4":
        raise BddsegError(f"{out} is not an MP4 file.", "Use -o overlay.mp4.")
    refuse_overwriting([out], [Path(source)], overwrite=options.overwrite)
    label_set = open_label_set(results, task)
    if names is not None:
        label_set = label_set.select(names)
    open_clip = _open_video if is_video(source) else _open_images
    clip = open_clip(source, label_set, options.limit)
    notes: list[str] = []
    failures: list[BddsegError] = []

    def draw(item: _Item) -> tuple[Image, str]:
        frame, labels = item
        if isinstance(frame, BddsegError):
            raise frame
        image = read_image(frame) if isinstance(frame, Path) else frame
        overlay, note = draw_overlay(image, labels, task, style)
        return (np.hstack([image, overlay]) if side_by_side else overlay), note

    def collect(results: Iterable[tuple[Image, str] | BddsegError]) -> Iterator[Image]:
        for result in results:
            if isinstance(result, BddsegError):
                failures.append(result)
                continue
            image, note = result
            notes.extend([note] if note else [])
            yield image

    # Frames of a video are no sequence, which `track` needs.
    numbers = options.track(range(clip.length), "Drawing the video")
    items = (item for _, item in zip(numbers, clip.frames, strict=False))
    with map_in_threads(draw, items, options.num_threads) as drawn:
        write_video(out, collect(drawn), fps or clip.fps)
    return DrawResult(
        drawn=clip.length - len(failures),
        resized=tuple(notes),
        failures=tuple(failures),
        unpaired=clip.unpaired,
    )


def write_video(path: Path, images: Iterable[Image], fps: Fraction) -> None:
    """Write images as an MP4, in H.264 if PyAV has an encoder; the file is complete or absent.

    H.264 needs an even height and width, so an odd row or column is cut off. Images are resized to
    the size of the first.

    Raises:
        BddsegError: PyAV is missing, there are no images, or the file cannot be written.
    """
    av = import_av()
    codec = next(name for name in _CODECS if name in av.codecs_available)
    stream = None
    with open_atomically(path) as file, av.open(file, "w", format="mp4") as container:
        for image in images:
            if stream is None:
                shape = image.shape
                height, width = shape[0] // 2 * 2, shape[1] // 2 * 2
                stream = container.add_stream(codec, rate=fps)
                stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            resized = image if image.shape == shape else cv2.resize(image, shape[1::-1])
            cropped = np.ascontiguousarray(resized[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cropped, format="rgb24")))
        if stream is None:
            raise BddsegError(
                f"{path} would be empty: no frame could be drawn.",
                "Check that the frames and masks can be opened.",
            )
        container.mux(stream.encode())


def _open_video(source: str, label_set: LabelSet, limit: int | None) -> _Clip:
    video = Path(source)
    index = index_video(video)
    by_number: dict[int, LabelMapRef] = {}
    for name, ref in label_set.items():
        stem = PurePosixPath(name).name
        if re.fullmatch("[0-9]{1,9}", stem):
            other = by_number.setdefault(int(stem), ref)
            if other is not ref:
                raise BddsegError(
                    f"{other.origin} and {ref.origin} are both masks of frame {int(stem)}.",
                    "Give the folder of one run with -r.",
                )
    numbers = sorted(number for number in by_number if number < index.num_frames)[:limit]
    if not numbers:
        raise BddsegError(
            f"No mask in {label_set.source} is named after a frame number of {video}.",
            "Masks of a video are named like 000120.png; `bddseg infer` writes them.",
        )
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    frames = ((image, by_number[number]) for number, image in read_video_frames(video, numbers))
    return _Clip(frames, len(numbers), index.rate / step)


def _open_images(source: str, label_set: LabelSet, limit: int | None) -> _Clip:
    frame_set = match_frames(source, [label_set])
    frames = [(frame.path, ref) for frame, (ref,) in frame_set.matched[:limit]]
    return _Clip(frames, len(frames), _DEFAULT_FPS, frame_set.unpaired)

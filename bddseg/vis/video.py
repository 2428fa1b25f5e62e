"""Overlays as a video. Needs PyAV, the extra `video`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from bddseg.data.frames import Frame, read_frame
from bddseg.data.masks import list_masks
from bddseg.data.sources import is_video
from bddseg.data.video import import_av, index_video, read_video_frames
from bddseg.errors import BddsegError
from bddseg.files import unwritable
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import Task
from bddseg.vis.overlay import PLAIN, Style, draw_overlay
from bddseg.vis.pairs import pair_frames
from bddseg.vis.pictures import Outcome

_CODECS = ("libx264", "h264", "mpeg4")
_DEFAULT_RATE = Fraction(30)


@dataclass(frozen=True, slots=True)
class _Shot:
    """A frame that is to be shown, with its mask; one that is a file is read when it is drawn."""

    frame: Frame | Path
    mask: Path


@dataclass(frozen=True, slots=True)
class _Footage:
    """What is to be shown, how many shots that is, how fast, and frames that have no mask."""

    shots: Iterable[_Shot | BddsegError]
    number: int
    rate: Fraction
    unpaired: Sequence[Path] = ()


def overlay_video(
    source: str,
    masks: Path,
    out: Path,
    task: Task,
    *,
    style: Style = PLAIN,
    side_by_side: bool = False,
    rate: Fraction | None = None,
    workers: int = 1,
    track: Track = track_silently,
) -> Outcome:
    """Write frames that have masks, with these blended in, as an MP4.

    Args:
        source: a video, whose masks are named by frame number as inference names them; or a folder,
            a glob or a list of frames, shown in the order of their names.
        masks: a folder of masks or colormaps.
        out: the MP4 file.
        task: whose colours masks get.
        style: how they are drawn.
        side_by_side: show the frame as it is on the left, the overlay on the right.
        rate: frames a second; without, the video's own, divided by the step between the first two
            masks, or 30.
        workers: number of threads that draw.
        track: shows progress.

    Raises:
        BddsegError: PyAV is missing, the source cannot be read, nothing pairs, or the file cannot
            be written.
    """
    if out.suffix.lower() != ".mp4":
        raise BddsegError(f"{out} is no MP4 file.", "Say -o overlay.mp4, for example.")
    remarks: list[str] = []
    failures: list[BddsegError] = []
    footage = _open_video(source, masks) if is_video(source) else _open_frames(source, masks)
    drawn = 0

    def draw(shot: _Shot | BddsegError) -> tuple[Frame, str]:
        if isinstance(shot, BddsegError):
            raise shot
        frame = read_frame(shot.frame) if isinstance(shot.frame, Path) else shot.frame
        overlay, remark = draw_overlay(frame, shot.mask, task, style)
        return (np.hstack([frame, overlay]) if side_by_side else overlay), remark

    def collect() -> Iterator[Frame]:
        nonlocal drawn
        shots = _track(footage, track)
        for result in map_in_threads(draw, shots, workers):
            if isinstance(result, BddsegError):
                failures.append(result)
                continue
            picture, remark = result
            remarks.extend([remark] if remark else [])
            drawn += 1
            yield picture

    write_video(out, collect(), rate or footage.rate)
    return Outcome(
        drawn=drawn,
        remarks=tuple(remarks),
        failures=tuple(failures),
        unpaired=tuple(footage.unpaired),
    )


def write_video(path: Path, frames: Iterable[Frame], rate: Fraction) -> None:
    """Write frames as an MP4, H.264 where the build has it; whole or not at all.

    A row or column is left out where height or width are odd, which H.264 does not take. Frames of
    another size than the first one's are scaled to it.

    Raises:
        BddsegError: PyAV is missing, there are no frames, or the file cannot be written.
    """
    av = import_av()
    part = path.with_name(f".{path.stem}.part.mp4")
    codec = next(name for name in _CODECS if name in av.codecs_available)
    stream = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with av.open(str(part), "w") as container:
            for frame in frames:
                if stream is None:
                    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
                    stream = container.add_stream(codec, rate=rate)
                    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
                    shape = frame.shape
                fitting = frame if frame.shape == shape else cv2.resize(frame, shape[1::-1])
                cut = np.ascontiguousarray(fitting[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
            if stream is not None:
                container.mux(stream.encode())
        if stream is None:
            raise BddsegError(
                f"{path} would be empty: no frame could be drawn.", "Look at one of the frames."
            )
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _open_video(source: str, masks: Path) -> _Footage:
    video = Path(source)
    index = index_video(video)
    by_number = {int(path.stem): path for path in list_masks(masks) if path.stem.isdigit()}
    numbers = sorted(number for number in by_number if number < len(index.times))
    if not numbers:
        raise BddsegError(
            f"No mask in {masks} is named by the number of a frame of {video}.",
            "Inference names masks of a video so: 000120.png.",
        )
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1

    def read() -> Iterator[_Shot | BddsegError]:
        for number, frame in read_video_frames(video, numbers):
            if isinstance(frame, BddsegError):
                yield frame
            else:
                yield _Shot(frame, by_number[number])

    return _Footage(read(), len(numbers), index.rate / step)


def _open_frames(source: str, masks: Path) -> _Footage:
    pairs = pair_frames(source, [masks])
    shots = [_Shot(ref.path, mask) for ref, (mask,) in pairs.complete]
    return _Footage(shots, len(shots), _DEFAULT_RATE, pairs.unpaired)


def _track(footage: _Footage, track: Track) -> Iterator[_Shot | BddsegError]:
    """Pass shots on and show how many have gone by, though they are not listed beforehand."""
    shots = iter(footage.shots)
    for _ in track(range(footage.number), "Drawing the video"):
        shot = next(shots, None)
        if shot is None:
            return
        yield shot

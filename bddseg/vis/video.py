"""Overlays as a video. Needs PyAV, the extra `video`."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from bddseg.data.frames import Frame
from bddseg.data.masks import read_mask
from bddseg.data.video import import_av, index_video, read_video_frames
from bddseg.errors import BddsegError
from bddseg.files import unwritable
from bddseg.tasks import Task
from bddseg.vis.overlay import overlay_labels

_CODECS = ("libx264", "h264", "mpeg4")


def write_overlay_video(video: Path, masks: Path, out: Path, task: Task) -> None:
    """Write the frames of a video that have masks, with these blended in, as an MP4.

    Masks are named by frame number, as inference names them; the rate is the video's own, divided
    by the step between the first two masks.

    Raises:
        BddsegError: PyAV is missing, the video cannot be read, no mask has the number of a frame,
            or the file cannot be written.
    """
    numbers = sorted(int(path.stem) for path in masks.glob("*.png") if path.stem.isdigit())
    if not numbers:
        raise BddsegError(f"{masks} holds no masks named by frame number.", "Check the path.")
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1

    def draw() -> Iterable[Frame]:
        for number, frame in read_video_frames(video, numbers):
            if not isinstance(frame, BddsegError):
                yield overlay_labels(frame, read_mask(masks / f"{number:06}.png"), task)

    write_video(out, draw(), index_video(video).rate / step)


def write_video(path: Path, frames: Iterable[Frame], rate: Fraction) -> None:
    """Write frames of one size as an MP4, H.264 where the build has it; whole or not at all.

    A row or column is left out where height or width are odd, which H.264 does not take.

    Raises:
        BddsegError: PyAV is missing, or the file cannot be written.
    """
    av = import_av()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part.mp4")
    codec = next(name for name in _CODECS if name in av.codecs_available)
    try:
        with av.open(str(part), "w") as container:
            stream = None
            for frame in frames:
                height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
                if stream is None:
                    stream = container.add_stream(codec, rate=rate)
                    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
                picture = av.VideoFrame.from_ndarray(frame[:height, :width], format="rgb24")
                container.mux(stream.encode(picture))
            if stream is not None:
                container.mux(stream.encode())
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)

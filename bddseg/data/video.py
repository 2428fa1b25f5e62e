"""Video files: their frames by number. Needs PyAV, the extra `video`."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bddseg.data.frames import Frame
from bddseg.errors import BddsegError

if TYPE_CHECKING:
    from fractions import Fraction

# Segments shorter than this are joined: starting anew costs more than sharing gains.
_SEGMENT_FRAMES = 16


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """Where the frames of a video are.

    Attributes:
        times: when each frame is shown, in units of the stream, ascending.
        keys: numbers of the frames at which decoding can start; the first one is 0.
        rate: frames a second, on average.
    """

    times: tuple[int, ...]
    keys: tuple[int, ...]
    rate: "Fraction"

    def find_segment(self, number: int) -> int:
        """Return the number of the key frame from which a frame is decoded."""
        return self.keys[bisect_right(self.keys, number) - 1]


@lru_cache(maxsize=8)
def index_video(path: Path) -> VideoIndex:
    """Return the index of a video, made without decoding it.

    Frames are numbered in the order in which they are shown, by their times: a variable rate, or
    packets that are stored in another order, change nothing.

    Raises:
        BddsegError: PyAV is missing, or the file is no video that can be read.
    """
    av = import_av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            packets = [
                (packet.pts, packet.is_keyframe)
                for packet in container.demux(stream)
                if packet.pts is not None
            ]
            rate = stream.average_rate or stream.guessed_rate
    except (av.FFmpegError, IndexError, OSError) as error:
        raise _unreadable(path, error) from error
    if not packets or not rate:
        raise _unreadable(path, ValueError("it holds no frames"))
    packets.sort()
    starts = [number for number, (_, is_key) in enumerate(packets) if is_key]
    keys = [0]
    for start in starts:
        if start - keys[-1] >= _SEGMENT_FRAMES:
            keys.append(start)
    return VideoIndex(tuple(pts for pts, _ in packets), tuple(keys), rate)


def read_video_frames(
    path: Path, numbers: Sequence[int]
) -> Iterator[tuple[int, Frame | BddsegError]]:
    """Yield frames of a video, RGB, (H, W, 3), uint8, or why they cannot be read.

    Args:
        path: of the video.
        numbers: of the frames, ascending; decoding starts at the key frame before the first.
    """
    av = import_av()
    index = index_video(path)
    wanted = iter(numbers)
    number = next(wanted, None)
    failure: Exception = ValueError("the decoder gave no frame of that time")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if numbers:
                start = index.times[index.find_segment(numbers[0])]
                container.seek(start, stream=stream, backward=True)
            for frame in container.decode(stream):
                if number is None:
                    break
                shown = bisect_left(index.times, frame.pts)
                while number is not None and number < shown:
                    yield number, _undecodable(path, number, failure)
                    number = next(wanted, None)
                if number == shown:
                    yield number, frame.to_ndarray(format="rgb24")
                    number = next(wanted, None)
    except (av.FFmpegError, OSError) as error:
        failure = error
    while number is not None:
        yield number, _undecodable(path, number, failure)
        number = next(wanted, None)


def import_av() -> Any:
    """Return PyAV.

    Raises:
        BddsegError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise BddsegError(
            "Reading and writing video needs PyAV, which is not installed.",
            "pip install 'bddseg[video]'",
        ) from error
    return av


def _unreadable(path: Path, error: Exception) -> BddsegError:
    return BddsegError(
        f"{path} cannot be read as a video: {error}.", "Check that a player plays it."
    )


def _undecodable(path: Path, number: int, error: Exception) -> BddsegError:
    return BddsegError(f"Frame {number} of {path} cannot be decoded: {error}.")

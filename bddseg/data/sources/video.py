"""Video files as a source: their frames by number. Needs PyAV, the extra `video`."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bddseg.data.sources.source import FrameRef, Selection
from bddseg.errors import BddsegError
from bddseg.types import Image

if TYPE_CHECKING:
    from fractions import Fraction

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts"}
)
# Segments shorter than this are joined: seeking costs more time than more segments save.
_SEGMENT_FRAMES = 16


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """Where the frames of a video are.

    Attributes:
        times: Presentation time of each frame, in the stream's time base, ascending.
        keys: Numbers of the frames at which decoding can start; the first one is 0.
        rate: Average number of frames per second.
    """

    times: tuple[int, ...]
    keys: tuple[int, ...]
    rate: "Fraction"

    def find_segment(self, number: int) -> int:
        """Return the number of the key frame from which a frame is decoded."""
        return self.keys[bisect_right(self.keys, number) - 1]


@dataclass(frozen=True, slots=True)
class VideoSource:
    """The frames of a video file, named by number: "000120"."""

    path: Path
    selection: Selection
    is_live = False

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Return whether it is a video file."""
        return is_video(source)

    @classmethod
    def open(cls, source: str, selection: Selection, *, exclude: Path | None = None) -> Self:
        """Return the source; see `Source.open`."""
        del exclude
        return cls(Path(source), selection)

    def items(self) -> Iterator[FrameRef]:
        """Yield the selected frames in order of display.

        Raises:
            BddsegError: none is selected, PyAV is missing, or the video cannot be read.
        """
        index = index_video(self.path)
        total, selection = len(index.times), self.selection
        end = total if selection.end is None else min(selection.end, total)
        numbers = range(selection.start, end, selection.every)[: selection.limit]
        if not numbers:
            raise BddsegError(
                f"{self.path} has {total} frames, and none of them is selected.",
                "Correct --start, --end and --every.",
            )
        for number in numbers:
            yield FrameRef(str(self.path), f"{number:06}", number, index.find_segment(number))

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image | BddsegError]]:
        """Yield frames of one segment in order, or why one cannot be decoded."""
        by_number = {ref.index: ref for ref in refs}
        numbers = [ref.index for ref in refs if ref.index is not None]
        for number, image in read_video_frames(self.path, numbers):
            yield by_number[number], image


def is_video(source: str | Path) -> bool:
    """Return whether a source is a video file."""
    path = Path(source)
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


@lru_cache(maxsize=8)
def index_video(path: Path) -> VideoIndex:
    """Return the index of a video, without decoding it.

    Frames are numbered in the order of display, by presentation time, also where the rate varies or
    packets are stored in another order.

    Raises:
        BddsegError: PyAV is missing, or the file is not a video that can be read.
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
        raise _unreadable(path, ValueError("it has no frames"))
    packets.sort()
    starts = [number for number, (_, is_key) in enumerate(packets) if is_key]
    keys = [0]
    for start in starts:
        if start - keys[-1] >= _SEGMENT_FRAMES:
            keys.append(start)
    return VideoIndex(tuple(pts for pts, _ in packets), tuple(keys), rate)


def read_video_frames(
    path: Path, numbers: Sequence[int]
) -> Iterator[tuple[int, Image | BddsegError]]:
    """Yield frames of a video, RGB, (H, W, 3), uint8, or why they cannot be read.

    Args:
        path: The video.
        numbers: Frame numbers, ascending; decoding starts at the key frame before the first.
    """
    av = import_av()
    index = index_video(path)
    wanted = iter(numbers)
    number = next(wanted, None)
    failure: Exception = ValueError("the decoder returned no frame at its time")
    try:
        for frame in _decode_from(path, index, numbers[0] if numbers else 0):
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


def _decode_from(path: Path, index: VideoIndex, number: int) -> Iterator[Any]:
    """Yield decoded frames in order of display, from a frame's key frame or an earlier one."""
    av = import_av()
    start = index.find_segment(number)
    earlier = [key for key in index.keys if key < start][-1:]
    # In some formats, such as MPEG transport streams, seeking can end behind the key frame: then
    # from the key frame before it, and then from the beginning.
    for key in (start, *earlier, None):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if key is not None:
                container.seek(index.times[key], stream=stream, backward=True)
            frames = container.decode(stream)
            first = next(frames, None)
            if first is not None and (key is None or first.pts <= index.times[start]):
                yield first
                yield from frames
                return


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
        f"{path} cannot be read as a video: {error}.", "Check that a video player can open it."
    )


def _undecodable(path: Path, number: int, error: Exception) -> BddsegError:
    return BddsegError(
        f"Frame {number} of {path} cannot be decoded: {error}.",
        "Repair the video, or select other frames with --start and --end.",
    )

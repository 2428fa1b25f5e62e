"""Video files as a source: their frames by number. Needs PyAV, the extra `video`."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bddseg.data.sources.source import FrameRef, Selection
from bddseg.errors import BddsegError
from bddseg.io.read import check_size
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
        num_frames: Number of frames.
        times: Presentation time of each frame, in the stream's time base, ascending; empty if the
            file has none that can be relied on.
        keys: Numbers of the key frames, ascending.
        segments: Numbers of the key frames from which frames are decoded; the first one is 0.
        rate: Average number of frames per second.
        time_base: Seconds of a unit of `times`.
    """

    num_frames: int
    times: tuple[int, ...]
    keys: tuple[int, ...]
    segments: tuple[int, ...]
    rate: "Fraction"
    time_base: "Fraction"

    def get_position(self, number: int) -> float | None:
        """Return when a frame is shown, in seconds from the first one; None if it is unknown."""
        return float((self.times[number] - self.times[0]) * self.time_base) if self.times else None

    def find_segment(self, number: int) -> int:
        """Return the number of the key frame from which a frame is decoded."""
        return self.segments[bisect_right(self.segments, number) - 1]

    def find_next_key(self, number: int) -> float:
        """Return the number of the first key frame behind a frame; infinity if there is none."""
        return next(iter(self.keys[bisect_right(self.keys, number) :]), inf)

    def find_number(self, time: int | None) -> int | None:
        """Return the number of the frame that is shown at a time; None if there is none."""
        number = 0 if time is None else bisect_left(self.times, time)
        return number if self.times[number : number + 1] == (time,) else None


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
        total, selection = index.num_frames, self.selection
        end = total if selection.end is None else min(selection.end, total)
        numbers = range(selection.start, end, selection.every)[: selection.limit]
        if not numbers:
            raise BddsegError(
                f"{self.path} has {total} frames, and none of them is selected.",
                "Correct --start, --end and --every.",
            )
        for number in numbers:
            segment, position = index.find_segment(number), index.get_position(number)
            yield FrameRef(str(self.path), f"{number:06}", number, segment, position)

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image | BddsegError]]:
        """Yield frames of one segment in order, or why one cannot be decoded."""
        images = read_video_frames(self.path, [ref.index or 0 for ref in refs])
        yield from ((ref, image) for ref, (_, image) in zip(refs, images, strict=True))


def is_video(source: str | Path) -> bool:
    """Return whether a source is a video file."""
    path = Path(source)
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def index_video(path: Path) -> VideoIndex:
    """Return the index of a video, without decoding it.

    Frames are numbered in the order of display: by presentation time, also where the rate varies or
    packets are stored in another order. Where times are missing, repeat, or are those of decoding,
    as in AVI, frames are numbered as a decoder returns them, and decoded from the first one on.

    Raises:
        BddsegError: PyAV is missing, or the file is not a video that can be read.
    """
    import_av()
    try:
        state = path.stat()
        return _index_video(path, (state.st_mtime_ns, state.st_size))
    except Exception as error:
        raise BddsegError(
            f"{path} cannot be read as a video: {error}.", "Check that a video player can open it."
        ) from error


@lru_cache(maxsize=8)
def _index_video(path: Path, version: tuple[int, int]) -> VideoIndex:
    """Return the index of one version of a file: another one has another time or size."""
    del version
    with _open(path) as (container, stream):
        check_size((stream.height, stream.width))
        packets = [
            (packet.pts, packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.size and not packet.is_discard and not _is_hidden(packet)
        ]
        rate = stream.average_rate or stream.guessed_rate
        is_reordered = stream.codec_context.has_b_frames
        time_base = stream.time_base
    if not packets or not rate:
        raise ValueError("it has no frames")
    stored = [pts for pts, _ in packets]
    times = sorted({pts for pts in stored if pts is not None})
    if len(times) < len(stored) or (is_reordered and times == stored):
        return VideoIndex(len(stored), (), (0,), (0,), rate, time_base)
    # A recording that was cut can begin with another frame than a key frame.
    keys = [number for number, (_, is_key) in enumerate(sorted(packets)) if is_key or number == 0]
    segments = [0]
    for key in keys:
        if key - segments[-1] >= _SEGMENT_FRAMES:
            segments.append(key)
    return VideoIndex(len(times), tuple(times), tuple(keys), tuple(segments), rate, time_base)


def _is_hidden(packet: Any) -> bool:
    """Return whether a packet is a frame of VP8 that is decoded for others to refer to alone."""
    return packet.stream.codec_context.name == "vp8" and not bytes(packet)[0] & 16


def read_video_frames(
    path: Path, numbers: Sequence[int]
) -> Iterator[tuple[int, Image | BddsegError]]:
    """Yield frames of a video, RGB, (H, W, 3), uint8, upright, or why they cannot be read.

    Args:
        path: The video.
        numbers: Frame numbers, ascending; decoding starts at the key frame before the first.
    """
    index = index_video(path)
    wanted = deque(numbers)

    def give_up(end: float, error: Exception) -> Iterator[tuple[int, BddsegError]]:
        while wanted and wanted[0] < end:
            number = wanted.popleft()
            yield number, _undecodable(path, number, error)

    while wanted:
        failure: Exception = ValueError("the decoder returned no frame at its time")
        try:
            for number, frame in _decode_from(path, index, wanted[0]):
                yield from give_up(number, failure)
                if not wanted:
                    return
                if wanted[0] == number:
                    yield wanted.popleft(), convert_frame(frame)
        except Exception as error:
            failure = error
        # Frames are damaged from where the decoder stopped up to the next key frame.
        if wanted:
            yield from give_up(index.find_next_key(wanted[0]), failure)


def convert_frame(frame: Any) -> Image:
    """Return a decoded frame as RGB, (H, W, 3), uint8, upright."""
    # Both turn counterclockwise.
    image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return np.ascontiguousarray(image)


def _decode_from(path: Path, index: VideoIndex, number: int) -> Iterator[tuple[int, Any]]:
    """Yield the numbers and frames from a frame's key frame or an earlier one on."""
    if not index.times:
        with _open(path) as (container, stream):
            yield from enumerate(container.decode(stream))
        return
    position = bisect_right(index.keys, number) - 1
    start = index.keys[position]
    # Some formats have no index of their own, such as MPEG transport streams: seeking can end
    # behind the key frame, or the first frame gets a wrong time. Then from earlier key frames, and
    # at last from the beginning.
    earlier = [index.keys[position - back] for back in (1, 3, 7) if back <= position]
    for key in (start, *earlier, None):
        with _open(path) as (container, stream):
            if key is not None:
                container.seek(index.times[key], stream=stream, backward=True)
            frames = ((index.find_number(each.pts), each) for each in container.decode(stream))
            first, frame = next(frames, (None, None))
            if key is None or (first in index.keys and first <= start):
                pairs = chain([(first, frame)], frames)
                yield from ((found, each) for found, each in pairs if found is not None)
                return


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """Yield the opened container and its first video stream."""
    # FFmpeg takes what is before a colon in a relative path for a protocol.
    with import_av().open(str(path.absolute()), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


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


def _undecodable(path: Path, number: int, error: Exception) -> BddsegError:
    return BddsegError(
        f"Frame {number} of {path} cannot be decoded: {error}.",
        "Repair the video, or select other frames with --start and --end.",
    )

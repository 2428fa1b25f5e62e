"""What a source of frames is, and opening one by name."""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol, Self, TypeVar

from bddseg.errors import BddsegError
from bddseg.io.urls import redact
from bddseg.registry import Registry, require_class
from bddseg.types import Image

T = TypeVar("T")

# The source that means standard input.
STDIN = "-"


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where a frame is, without its pixels.

    Attributes:
        file: Path of the image or video file, as text: a folder can hold hundreds of thousands, and
            a `Path` takes ten times as long to make.
        name: Its path below the source without the suffix, such as "night/0001"; results are stored
            under this name.
        index: Its number in a video or a stream, from 0 in the order of display.
        segment: Frames of one segment are best read together, in order.
        time: Of a live source, when it came, in seconds of Unix time; of a video, its position in
            seconds from the first frame; None where it is not known.
        came_s: Of a live source, when it came, as `time.monotonic` counts.
    """

    file: str
    name: str
    index: int | None = None
    segment: int = 0
    time: float | None = None
    came_s: float | None = None

    @property
    def path(self) -> Path:
        """The image or video file."""
        return Path(self.file)

    def get_latency_ms(self) -> float | None:
        """Return how many milliseconds ago it came; None if it is not of a live source."""
        return None if self.came_s is None else 1000 * (time.monotonic() - self.came_s)

    def __str__(self) -> str:
        return self.file if self.index is None else f"{self.file}, frame {self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """How frames of a live source are received.

    Attributes:
        timeout_s: Seconds without a frame after which the source is opened again, or given up.
        max_reconnects: How often in a row it is opened again, after its first frame.
        wait_s: Seconds in which it may come up: it is opened again until its first frame.
        max_fps: Frames per second at most: those that come too early are dropped or, where the
            sender waits, used later. None is no limit.
        drop: Use the newest frame and drop those before; otherwise the sender waits.
        raw: Format and size of raw frames from standard input, such as "bgr24:1280x720".
    """

    timeout_s: float = 10.0
    max_reconnects: int = 10
    wait_s: float = 0.0
    max_fps: float | None = None
    drop: bool = True
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which frames of a source, and how those of a live one are received.

    Attributes:
        limit: Only the first N, by name.
        start: Of a video, the first frame.
        end: Of a video, the frame after the last one.
        every: Of a video, every N-th frame from the start.
        live: Of a live source.
    """

    limit: int | None = None
    start: int = 0
    end: int | None = None
    every: int = 1
    live: LiveOptions = LiveOptions()


def group_frames(refs: Iterable[FrameRef], size: int) -> Iterator[list[FrameRef]]:
    """Yield frames in groups that are read together: `size` images, or a segment of a video.

    A segment is one group, whatever its size: its frames are decoded from the same key frame.
    """
    group: list[FrameRef] = []
    for ref in refs:
        if group and (
            len(group) >= size
            if ref.index is None
            else (ref.file, ref.segment) != (group[-1].file, group[-1].segment)
        ):
            yield group
            group = []
        group.append(ref)
    if group:
        yield group


def group_sequences(refs: Iterable[FrameRef]) -> Iterator[list[FrameRef]]:
    """Yield the frames of each sequence, in order: those of a video, or of a folder."""
    for _, group in groupby(refs, key=lambda ref: get_folder(ref.name)):
        yield list(group)


def get_folder(name: str) -> str:
    """Return the folder of a frame's name: "night" of "night/0001"; empty if it has none."""
    return name.rpartition("/")[0]


def sample_evenly(items: Sequence[T], limit: int) -> list[T]:
    """Return at most `limit` items, evenly spaced: the first, the last and some in between."""
    if limit >= len(items):
        return list(items)
    last = len(items) - 1
    return [items[round(number * last / max(limit - 1, 1))] for number in range(limit)]


class OpenSource(Protocol):
    """A source that is open.

    Attributes:
        is_live: Frames cannot be listed beforehand nor read twice, as of a camera.
    """

    is_live: bool

    def items(self) -> Iterator[FrameRef]:
        """Yield its frames, without reading them; sorted by name, or in order of display.

        A live source waits for its next frame, which is read before the one after it is asked for.

        Raises:
            BddsegError: it cannot be read, or holds no frames.
        """
        ...

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image | BddsegError]]:
        """Yield frames in order, RGB (H, W, 3), uint8, or why one cannot be read."""
        ...


class Source(OpenSource, Protocol):
    """Frames from somewhere."""

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Return whether a text given by a user means a source of this kind."""
        ...

    @classmethod
    def open(cls, source: str, selection: Selection, *, exclude: Path | None = None) -> Self:
        """Return the source; nothing is read yet.

        Args:
            source: What the user gave.
            selection: Which of its frames.
            exclude: Output folder; its files are not frames.

        Raises:
            BddsegError: it does not exist, or the selection does not fit.
        """
        ...


SOURCES: Registry[type[Source]] = Registry(
    "bddseg.sources", "source", check=require_class("accepts", "open", "items", "read", "is_live")
)


def open_source(
    source: str, selection: Selection | None = None, *, exclude: Path | None = None
) -> Source:
    """Return the source that a text means: the first registered one that accepts it.

    Raises:
        BddsegError: none accepts it, or it cannot be opened.
    """
    selection = selection or Selection()
    if selection.live.raw and source != STDIN:
        raise BddsegError(
            f"--raw says what standard input holds, and the source is {redact(source)}.",
            "Use - as the source, or leave out --raw.",
        )
    kind = _find_kind(source)
    if selection.live.max_fps is not None and not kind.is_live:
        raise BddsegError(
            f"--max-fps limits the rate of a live source, and {source} is none.",
            "Of a video, --every N selects every N-th frame.",
        )
    return kind.open(source, selection, exclude=exclude)


def is_live(source: str) -> bool:
    """Return whether a text means a live source.

    Raises:
        BddsegError: it means none.
    """
    return _find_kind(source).is_live


def read_all(source: OpenSource) -> Generator[tuple[FrameRef, Image | BddsegError], None, None]:
    """Yield all frames of a source in order, or why one cannot be read, in constant memory."""
    refs = source.items()
    # The frames of a live source cannot be collected first.
    groups = ([ref] for ref in refs) if source.is_live else group_frames(refs, 1)
    for group in groups:
        yield from source.read(group)


def _find_kind(source: str) -> type[Source]:
    for name in SOURCES.list_names():
        kind = SOURCES.load(name)
        if kind.accepts(source):
            return kind
    raise BddsegError(
        f"{redact(source)} does not exist.",
        "Give an image, a folder, a glob pattern in quotes, a text file of paths, a video, the URL "
        "of a stream, the number of a camera, or - for standard input.",
    )

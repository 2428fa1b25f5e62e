"""Live sources: frames that come by themselves, of which the newest is used and others dropped."""

import math
from collections.abc import Iterator, Sequence

from bddseg.data.sources.live_reader import LiveReader, LiveStats, Receive
from bddseg.data.sources.source import FrameRef, Selection
from bddseg.errors import BddsegError
from bddseg.types import Image


class LiveSource:
    """A source of frames as they come; base of the built-in ones.

    Args:
        name: Where the frames come from, without secrets; the `file` of its frames.
        receive: Opens it and yields its frames.
        selection: How many of the frames, and how they are received.
        reconnects: Whether it is opened again when it ends or fails.

    Raises:
        BddsegError: the selection is one of frames of a file.
    """

    is_live = True

    def __init__(
        self, name: str, receive: Receive, selection: Selection, *, reconnects: bool
    ) -> None:
        if (selection.start, selection.end, selection.every) != (0, None, 1):
            raise BddsegError(
                f"--start, --end and --every select frames of a video, and {name} is live.",
                "Use --limit N, or --max-fps N for fewer frames per second.",
            )
        max_fps = selection.live.max_fps
        if max_fps is not None and not 0 < max_fps < math.inf:
            raise BddsegError(
                f"--max-fps is the number of frames per second, above 0, not {max_fps}.",
                "5 is a start; without it, all are used that the network can process.",
            )
        self.name = name
        self._limit = selection.limit
        self.reader = LiveReader(name, receive, selection.live, reconnects=reconnects)
        self._images: dict[int, Image] = {}

    @property
    def stats(self) -> LiveStats:
        """What it did so far."""
        return self.reader.stats

    def items(self) -> Iterator[FrameRef]:
        """Yield the newest frame each time, waiting for it; once.

        Raises:
            BddsegError: nothing came for too long, or the source failed and did not come back.
        """
        count = 0
        frames = self.reader.frames()
        try:
            for frame, image in frames:
                number = frame.number
                # Only the frame that was yielded last can be read.
                self._images = {number: image}
                name = f"{number:06}"
                yield FrameRef(self.name, name, number, time=frame.time, came_s=frame.came_s)
                count += 1
                if count == self._limit:
                    return
        finally:
            frames.close()

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image | BddsegError]]:
        """Yield the frame that `items` yielded last, or that a newer one has replaced it."""
        for ref in refs:
            image = self._images.pop(-1 if ref.index is None else ref.index, None)
            if image is None:
                error = BddsegError(f"{ref} is gone: a newer one has come.", "Read each at once.")
            yield ref, error if image is None else image


class IterableSource(LiveSource):
    """An iterable as a live source, such as a generator that takes images of a sensor.

    Args:
        receive: Returns the iterator; it is asked for once.
        selection: How many frames, and how they are received.
    """

    def __init__(self, receive: Receive, selection: Selection) -> None:
        super().__init__("The iterable", receive, selection, reconnects=False)

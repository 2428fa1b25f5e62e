"""Live sources: frames that come by themselves, of which the newest is used and others dropped."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from bddseg.data.sources.source import FrameRef, LiveOptions, Selection
from bddseg.errors import BddsegError
from bddseg.progress import pluralize
from bddseg.types import Image

# Returns a frame, RGB (H, W, 3), uint8, or None if it is damaged: frames that are dropped are never
# converted.
Grab = Callable[[], Image | None]
# Opens what sends frames, and yields them as they come, until it ends.
Receive = Callable[[], Iterator[Grab]]

# Waiting ends as often, so that Ctrl-C gets through on Windows too.
_WAIT_S = 0.2
_JOIN_TIMEOUT_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStats:
    """What a live source did so far.

    Attributes:
        received: Number of frames that came.
        dropped: Number of those that were replaced by newer ones before they were used, or are
            damaged.
        reconnects: How often the connection was opened again.
        came_s: When the frame that was used last came, as `time.monotonic` counts.
    """

    received: int = 0
    dropped: int = 0
    reconnects: int = 0
    came_s: float = 0.0


class LiveReader:
    """Receives frames in a thread, and keeps the newest one.

    Args:
        name: What errors call the source.
        receive: Opens it and yields its frames.
        options: Limits, and whether frames are dropped.
        reconnects: Whether it is opened again when it ends or fails after its first frame.

    Attributes:
        is_file: It turned out to be one with an end: no frame is dropped, and it is read once.
    """

    def __init__(
        self, name: str, receive: Receive, options: LiveOptions, *, reconnects: bool
    ) -> None:
        self._name = name
        self._receive = receive
        self._options = options
        self.is_file = False
        self._reconnects = reconnects
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._newest: tuple[int, float, Grab] | None = None
        self._used_s = self._active_s = time.monotonic()
        self._stats = LiveStats()
        self._error: BaseException | None = None
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="live-reader", daemon=True)

    @property
    def stats(self) -> LiveStats:
        """What it did so far."""
        with self._changed:
            return replace(self._stats, came_s=self._used_s)

    def frames(self) -> Generator[tuple[int, Image], None, None]:
        """Yield the newest frame each time, with its number among all that came; wait for it.

        Raises:
            BddsegError: nothing came for too long, or the source failed and did not come back.
        """
        good_s = self._active_s = time.monotonic()
        self._thread.start()
        try:
            while (newest := self._wait()) is not None:
                number, grab = newest
                if (image := grab()) is not None:
                    yield number, image
                    good_s = time.monotonic()
                    continue
                with self._changed:
                    self._stats = replace(self._stats, dropped=self._stats.dropped + 1)
                if time.monotonic() - good_s > self._options.timeout_s:
                    raise BddsegError(
                        f"{self._name} has sent nothing but damaged frames for "
                        f"{self._options.timeout_s:g} s.",
                        "Check that a video player can show it.",
                    )
        finally:
            self._stop()

    def _wait(self) -> tuple[int, Grab] | None:
        with self._changed:
            while self._newest is None:
                if self._error is not None:
                    raise self._error
                if self._has_ended:
                    return None
                self._check_stall()
                self._changed.wait(_WAIT_S)
            number, self._used_s, grab = self._newest
            self._newest = None
            self._changed.notify_all()
            return number, grab

    def _check_stall(self) -> None:
        """Refuse to wait on: a read that blocks in the system cannot be ended from here."""
        limit_s = self._options.timeout_s
        # What can be opened again has its own timeouts, in the thread.
        if not self._reconnects and time.monotonic() - self._active_s > limit_s:
            raise BddsegError(
                f"{self._name} has sent no frame for {limit_s:g} s.",
                "Check what sends the frames, or allow more with --timeout SECONDS.",
            )

    def _stop(self) -> None:
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        # One that waits for a frame is not waited for: it ends at its timeout.
        self._thread.join(_JOIN_TIMEOUT_S)
        with self._changed:
            # A frame that came when no other was wanted is not dropped for a newer one.
            if self._newest:
                self._newest = None
                self._stats = replace(self._stats, received=self._stats.received - 1)

    def _run(self) -> None:
        try:
            self._receive_all()
        # The caller raises it, with its traceback if it is a fault of ours.
        except BaseException as error:
            self._error = error
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _receive_all(self) -> None:
        failed = 0
        while not self._stopped.is_set():
            before = self._stats.received
            cause = self._receive_once()
            if self._stopped.is_set():
                return
            failed = 0 if self._stats.received > before else failed
            has_end = self.is_file or not self._reconnects
            if cause is None and has_end and self._stats.received:
                return
            # What never sent a frame is a mistake in its address, or is not there.
            if has_end or not self._stats.received or failed >= self._options.max_reconnects:
                raise self._describe(cause, failed) from cause
            self._stopped.wait(min(_FIRST_PAUSE_S * 2**failed, _LONGEST_PAUSE_S))
            failed += 1
            with self._changed:
                self._stats = replace(self._stats, reconnects=self._stats.reconnects + 1)

    def _receive_once(self) -> Exception | None:
        """Receive frames until the source ends or fails; return why it failed."""
        try:
            for grab in self._receive():
                self._put(grab)
                if self._stopped.is_set():
                    break
        except BddsegError:
            raise
        except Exception as error:
            return error
        return None

    def _put(self, grab: Grab) -> None:
        with self._changed:
            waits = self.is_file or not self._options.drop
            while self._newest and waits and not self._stopped.is_set():
                self._changed.wait(_WAIT_S)
            if self._stopped.is_set():
                return
            dropped = self._stats.dropped + (self._newest is not None)
            number = self._stats.received
            self._stats = replace(self._stats, received=number + 1, dropped=dropped)
            self._active_s = time.monotonic()
            self._newest = number, self._active_s, grab
            self._changed.notify_all()

    def _describe(self, cause: Exception | None, failed: int) -> BddsegError:
        reason = str(cause) if cause else "it ended"
        if not self._stats.received:
            return BddsegError(
                f"{self._name} cannot be read: {reason or 'it sent no frame'}.",
                "Check the address, and that a video player can open it.",
            )
        again = f", and {pluralize(failed, 'attempt')} to open it again failed" if failed else ""
        return BddsegError(
            f"{self._name} stopped sending frames{again}: {reason}.",
            "Check it and start again; --reconnects N allows more attempts.",
        )


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
                "Use --limit.",
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
            for number, image in frames:
                # Only the frame that was yielded last can be read.
                self._images = {number: image}
                yield FrameRef(self.name, f"{number:06}", number)
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

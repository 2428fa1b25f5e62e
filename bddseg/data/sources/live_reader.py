"""The thread that receives the frames of a live source, opens it again, and keeps the newest."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

from bddseg.data.sources.pace import Pace
from bddseg.data.sources.retries import Retries
from bddseg.data.sources.source import LiveOptions
from bddseg.errors import BddsegError
from bddseg.types import Image

_log = logging.getLogger(__name__)

# Returns a frame, RGB (H, W, 3), uint8, or None if it is damaged: frames that are dropped are never
# converted.
Grab = Callable[[], Image | None]
# Opens what sends frames, and yields them as they come, until it ends.
Receive = Callable[[], Iterator[Grab]]

# Waiting ends as often, so that Ctrl-C gets through on Windows too.
_WAIT_S = 0.2
_JOIN_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStats:
    """What a live source did so far.

    Attributes:
        received: Number of frames that came.
        dropped: Number of those that were not used: newer ones replaced them, they came too
            early for the maximum rate, or they are damaged.
        reconnects: How often the connection was opened again.
    """

    received: int = 0
    dropped: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """A frame as it came.

    Attributes:
        number: Its number among all that came, from 0.
        time: When it came, in seconds of Unix time.
        came_s: The same as `time.monotonic` counts.
        grab: Returns its pixels.
    """

    number: int
    time: float
    came_s: float
    grab: Grab


class LiveReader:
    """Receives frames in a thread, and keeps the newest one.

    Args:
        name: What errors call the source.
        receive: Opens it and yields its frames.
        options: Limits, and whether frames are dropped.
        reconnects: Whether it is opened again when it ends or fails.

    Attributes:
        is_file: It turned out to be one with an end: no frame is dropped, and it is read once.
        note: Gets messages about the connection, from the thread; they are logged by default.
    """

    def __init__(
        self, name: str, receive: Receive, options: LiveOptions, *, reconnects: bool
    ) -> None:
        self._name = name
        self._receive = receive
        self._options = options
        self.is_file = False
        self.note: Callable[[str], object] = _log.info
        self._reconnects = reconnects
        self._pace = Pace(options.max_fps)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._newest: LiveFrame | None = None
        self._active_s = time.monotonic()
        self._stats = LiveStats()
        self._error: BaseException | None = None
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="live-reader", daemon=True)

    @property
    def stats(self) -> LiveStats:
        """What it did so far."""
        with self._changed:
            return self._stats

    def frames(self) -> Generator[tuple[LiveFrame, Image], None, None]:
        """Yield the newest frame each time, with its image; wait for it.

        Raises:
            BddsegError: nothing came for too long, or the source failed and did not come back.
        """
        self._active_s = time.monotonic()
        damaged_s: float | None = None
        self._thread.start()
        try:
            while (newest := self._wait()) is not None:
                if (image := newest.grab()) is not None:
                    self._pace.use(self._get_time_s(newest))
                    yield newest, image
                    damaged_s = None
                    continue
                with self._changed:
                    self._drop()
                damaged_s = newest.came_s if damaged_s is None else damaged_s
                if time.monotonic() - damaged_s > self._options.timeout_s:
                    raise BddsegError(
                        f"{self._name} has sent nothing but damaged frames for "
                        f"{self._options.timeout_s:g} s.",
                        "Check that a video player can show it.",
                    )
        finally:
            self._stop()

    def _wait(self) -> LiveFrame | None:
        with self._changed:
            while (newest := self._newest) is None or self._get_early_s(newest) > 0:
                wait_s = _WAIT_S
                if newest and self._waits:
                    wait_s = min(wait_s, self._get_early_s(newest))
                elif self._has_ended:
                    self._drop_newest()
                    if self._error is not None:
                        raise self._error
                    return None
                else:
                    self._check_stall()
                self._changed.wait(wait_s)
            self._newest = None
            self._changed.notify_all()
            return newest

    def _get_early_s(self, frame: LiveFrame) -> float:
        """Return how much too early a frame is for the maximum rate; not above 0 if it is due."""
        return self._pace.due_s - self._get_time_s(frame)

    def _get_time_s(self, frame: LiveFrame) -> float:
        """Return when a frame came or, if the sender waits, the time now."""
        return time.monotonic() if self._waits else frame.came_s

    @property
    def _waits(self) -> bool:
        """Whether the sender waits, so that no frame is dropped."""
        return self.is_file or not self._options.drop

    def _drop(self) -> None:
        self._stats = replace(self._stats, dropped=self._stats.dropped + 1)

    def _drop_newest(self) -> None:
        """Drop the newest frame, if there is one, which came too early."""
        if self._newest:
            self._newest = None
            self._drop()

    def _check_stall(self) -> None:
        """Refuse to wait on: a read that blocks in the system cannot be ended from here."""
        limit_s = self._options.timeout_s
        if not self._stats.received:
            limit_s = max(limit_s, self._options.wait_s)
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
        retries = Retries(self._name, self._options)
        while not self._stopped.is_set():
            before = self._stats.received
            cause = self._receive_once(retries)
            received = self._stats.received
            has_end = self.is_file or not self._reconnects
            if self._stopped.is_set() or (cause is None and has_end and received):
                return
            pause_s, message = retries.plan(cause, received - before, can_reopen=not has_end)
            if message:
                self.note(message)
            if received:
                with self._changed:
                    self._stats = replace(self._stats, reconnects=self._stats.reconnects + 1)
            self._stopped.wait(pause_s)

    def _receive_once(self, retries: Retries) -> Exception | None:
        """Receive frames until the source ends or fails; return why it failed."""
        try:
            for grab in self._receive():
                if message := retries.describe_success():
                    self.note(message)
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
            while self._newest and self._waits and not self._stopped.is_set():
                self._changed.wait(_WAIT_S)
            if self._stopped.is_set():
                return
            dropped = self._stats.dropped + (self._newest is not None)
            number = self._stats.received
            self._stats = replace(self._stats, received=number + 1, dropped=dropped)
            self._active_s = time.monotonic()
            self._newest = LiveFrame(
                number=number, time=time.time(), came_s=self._active_s, grab=grab
            )
            self._changed.notify_all()

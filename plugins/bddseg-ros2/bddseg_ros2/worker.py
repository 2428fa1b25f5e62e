"""A thread that handles the newest of the items that come."""

import queue
from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestItemWorker(Generic[T]):
    """Calls a function in a thread of its own, always with the newest item.

    One item waits while the function runs; the next one replaces it. `put` never waits.

    Args:
        handle: Handles an item.
        on_error: Is called, in that thread, with the exception of `handle`; the thread then ends.
    """

    def __init__(
        self, handle: Callable[[T], None], on_error: Callable[[BaseException], None]
    ) -> None:
        self._handle = handle
        self._on_error = on_error
        self._queue: queue.Queue[T | None] = queue.Queue(1)
        # A daemon: a network that hangs does not keep the process.
        self._thread = Thread(target=self._run, name="segment", daemon=True)
        self._thread.start()

    def put(self, item: T) -> bool:
        """Give it an item; return whether one that waited was dropped."""
        return self._replace(item)

    def close(self, timeout_s: float = 10.0) -> None:
        """Drop the item that waits, and wait until the function has ended."""
        self._replace(None)
        self._thread.join(timeout_s)

    def _replace(self, item: T | None) -> bool:
        is_dropped = True
        try:
            self._queue.get_nowait()
        except queue.Empty:
            is_dropped = False
        # One thread calls it, so that there is space.
        self._queue.put_nowait(item)
        return is_dropped

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._handle(item)
        except BaseException as error:
            self._on_error(error)

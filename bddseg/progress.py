"""Showing progress, and working through many items with several threads."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

from bddseg.errors import BddsegError

T = TypeVar("T")
R = TypeVar("R")

# Items submitted ahead of the one whose result is awaited, per thread: enough to keep all threads
# busy, few enough that results do not pile up in memory.
_AHEAD = 4
# The cores that this process may use, which can be fewer than the machine has.
NUM_CORES = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)


class Progress(Protocol):
    """Shows the progress of some work; may be called from any thread."""

    def update(self, *, done: int, failed: int = 0, total: int | None = None) -> None:
        """Show how many units are done and how many failed, of `total` if that is known."""
        ...

    def note(self, text: str) -> None:
        """Show a message."""
        ...


class ProgressGroup(Protocol):
    """Shows the progress of several pieces of work; may be called from any thread."""

    def start(self, description: str, *, total: int | None = None, unit: str = "file") -> Progress:
        """Return the progress of one piece of work.

        Args:
            description: What is shown in front of the numbers.
            total: Number of units; None if it is not known yet.
            unit: Name of one unit, such as "frame"; "byte" is shown in MB.
        """
        ...

    def note(self, text: str) -> None:
        """Show a message."""
        ...


class SilentProgress:
    """Shows nothing."""

    def start(self, description: str, *, total: int | None = None, unit: str = "file") -> Progress:
        """Return an object that shows nothing either."""
        del description, total, unit
        return self

    def update(self, *, done: int, failed: int = 0, total: int | None = None) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class Track(Protocol):
    """A function that yields items and shows the progress."""

    def __call__(self, items: Sequence[T], description: str) -> Iterable[T]:
        """Return the same items, in the same order."""
        ...


def track_silently(items: Sequence[T], description: str) -> Iterable[T]:
    """Return the items; show nothing."""
    del description
    return items


def pluralize(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 frame", "2 frames", "1,000 frames".

    Args:
        count: The count.
        noun: The noun in the singular.
        plural: The noun in the plural; the default appends "s".
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


@contextmanager
def map_in_threads(
    function: Callable[[T], R], items: Iterable[T], num_threads: int
) -> Iterator[Iterator[R | BddsegError]]:
    """Give `function(item)` for each item, in order; a BddsegError is a result, not raised.

    Threads are enough because the work is decoding, encoding and array arithmetic, in libraries
    that release the GIL. At the end of the block, they have ended, however it ends; a generator of
    items is closed.
    """
    # A context manager, because the garbage collector would close a generator that is abandoned in
    # the middle: in any thread, also in one of the pool, which cannot wait for its own end.

    def call(item: T) -> R | BddsegError:
        try:
            return function(item)
        except BddsegError as error:
            return error

    def collect() -> Iterator[R | BddsegError]:
        pending: deque[Future[R | BddsegError]] = deque()
        for item in items:
            pending.append(pool.submit(call, item))
            if len(pending) > num_threads * _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    pool = ThreadPoolExecutor(num_threads)
    try:
        yield collect()
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(items, Generator):
            items.close()

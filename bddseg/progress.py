"""Working through many items: telling how far it is, and using several cores."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from bddseg.errors import BddsegError

T = TypeVar("T")
R = TypeVar("R")

# Items handed out ahead of the one awaited, for each worker: enough to keep all busy, few enough
# that results do not pile up in memory.
_AHEAD = 4


class Track(Protocol):
    """Passes items on, and may show how many have gone by."""

    def __call__(self, items: Sequence[T], description: str) -> Iterable[T]:
        """Return the same items, in the same order."""
        ...


def track_silently(items: Sequence[T], description: str) -> Iterable[T]:
    """Pass items on and show nothing."""
    del description
    return items


class Display(Protocol):
    """Shows how far a run is."""

    def update(self, *, done: int, failed: int, total: int | None) -> None:
        """Show numbers of frames; `total` is None as long as they are still being listed."""
        ...

    def note(self, text: str) -> None:
        """Show a remark."""
        ...


class SilentDisplay:
    """Shows nothing."""

    def update(self, *, done: int, failed: int, total: int | None) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class Meter(Protocol):
    """Shows how far transfers are; called from several threads."""

    def show(self, name: str, done: int, total: int | None) -> None:
        """Show that `done` bytes of a file are here, of `total` if that is known."""
        ...

    def note(self, text: str) -> None:
        """Show a remark."""
        ...


class SilentMeter:
    """Shows nothing."""

    def show(self, name: str, done: int, total: int | None) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


def map_in_threads(
    function: Callable[[T], R], items: Iterable[T], workers: int
) -> Iterator[R | BddsegError]:
    """Yield `function(item)` for each item, in order; a BddsegError is yielded, not raised.

    Threads serve because the work is decoding, encoding and array arithmetic, in libraries that
    release the interpreter's lock.
    """

    def call(item: T) -> R | BddsegError:
        try:
            return function(item)
        except BddsegError as error:
            return error

    pending: deque[Future[R | BddsegError]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(call, item))
                if len(pending) > workers * _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

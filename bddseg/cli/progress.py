"""How far things are, on stderr: bars on a terminal, lines now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from bddseg.cli.console import format_size, make_console, print_plain
from bddseg.progress import Display, Meter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

T = TypeVar("T")

_PLAIN_INTERVAL_S = 10.0


def track(items: Sequence[T], description: str) -> Iterable[T]:
    """Pass items on and show on stderr how many have gone by."""
    console = make_console(stderr=True)
    return (_track_bar if console.is_terminal else _track_lines)(items, description)


def _track_bar(items: Sequence[T], description: str) -> Iterator[T]:
    with _make_bar(make_console(stderr=True), "", transient=False) as progress:
        yield from progress.track(items, description=description)


def _make_bar(console: "Console", extra: str, *, transient: bool) -> "Progress":
    """Return a bar with how many are done and the time left; `extra` is text between the two."""
    # Imported here: not every command shows a bar, and --help should be quick.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([TextColumn(extra)] if extra else []),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
    )


def _track_lines(items: Sequence[T], description: str) -> Iterator[T]:
    reported = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - reported >= _PLAIN_INTERVAL_S:
            print_plain(f"{description}: {done} of {len(items)}")
            reported = time.monotonic()
        yield item
    print_plain(f"{description}: {len(items)} of {len(items)}")


@contextmanager
def track_run(description: str) -> Iterator[Display]:
    """Show on stderr how many frames are done and have failed, the rate, and the time left."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield _PlainDisplay(description)
        return
    with _make_bar(console, "{task.fields[extra]}", transient=True) as progress:
        yield _BarDisplay(progress, description)


class _PlainDisplay:
    """A line now and then."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._reported = time.monotonic()

    def update(self, *, done: int, failed: int, total: int | None) -> None:
        if time.monotonic() - self._reported >= _PLAIN_INTERVAL_S:
            self._reported = time.monotonic()
            of = f" of {total}" if total is not None else ""
            also = f", {failed} failed" if failed else ""
            print_plain(f"{self._description}: {done}{of}{also}")

    def note(self, text: str) -> None:
        print_plain(text)


class _BarDisplay:
    """A bar for all workers together."""

    def __init__(self, progress: "Progress", description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None, extra="")
        self._first: tuple[float, int] | None = None

    def update(self, *, done: int, failed: int, total: int | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        rate = (done - self._first[1]) / max(now - self._first[0], 0.1)
        also = f", {failed} failed" if failed else ""
        extra = f"{rate:.1f} frames/s{also}"
        # Failed frames are passed too, or the bar would never be full.
        self._progress.update(self._task, completed=done + failed, total=total, extra=extra)

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def track_bytes() -> Iterator[Meter]:
    """Show on stderr how far transfers are, their rate and the time left."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield _PlainMeter()
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        yield _BarMeter(progress)


class _PlainMeter:
    """A line for each transfer now and then."""

    def __init__(self) -> None:
        self._reported: dict[str, float] = {}

    def show(self, name: str, done: int, total: int | None) -> None:
        reported = self._reported.setdefault(name, time.monotonic())
        if time.monotonic() - reported >= _PLAIN_INTERVAL_S:
            self._reported[name] = time.monotonic()
            whole = f" of {format_size(total)}" if total is not None else ""
            print_plain(f"{name}: {format_size(done)}{whole}")

    def note(self, text: str) -> None:
        print_plain(text)


class _BarMeter:
    """A bar for each transfer."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

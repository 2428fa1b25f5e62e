"""Progress on stderr: bars on a terminal, otherwise a line every ten seconds."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from bddseg.cli.console import format_size, is_quiet, make_console, show_note
from bddseg.progress import Progress, ProgressGroup, SilentProgress, pluralize

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

T = TypeVar("T")

_LINE_INTERVAL_S = 10.0


@contextmanager
def show_progress(description: str, *, unit: str = "file") -> Iterator[Progress]:
    """Show the progress of some work on stderr; nothing with --quiet."""
    with show_progress_group() as group:
        yield group.start(description, unit=unit)


@contextmanager
def show_progress_group() -> Iterator[ProgressGroup]:
    """Show the progress of several pieces of work on stderr; nothing with --quiet."""
    console = make_console(stderr=True)
    if is_quiet():
        yield SilentProgress()
    elif console.is_terminal:
        with _make_bars(console) as bars:
            yield _Display(bars)
    else:
        yield _Display(None)


def track(items: Sequence[T], description: str) -> Iterator[T]:
    """Yield items and show on stderr how many are done."""
    with show_progress(description) as progress:
        for done, item in enumerate(items):
            progress.update(done=done, total=len(items))
            yield item
        progress.update(done=len(items), total=len(items))


class _Display:
    """Shows several pieces of work, as bars or as lines."""

    def __init__(self, bars: "Bars | None") -> None:
        self.bars = bars

    def start(self, description: str, *, total: int | None = None, unit: str = "file") -> Progress:
        return _Work(self, description, total, unit)

    def note(self, text: str) -> None:
        if self.bars:
            self.bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            show_note(text)


class _Work:
    """One piece of work: a bar from the first update on, or a line every ten seconds."""

    def __init__(self, display: _Display, description: str, total: int | None, unit: str) -> None:
        self.note = display.note
        self._bars = display.bars
        self._description = description
        self._total = total
        self._unit = unit
        self._bar: TaskID | None = None
        # Time and number of units at the last line, or when the bar appeared.
        self._since = (time.monotonic(), 0)

    def update(self, *, done: int, failed: int = 0, total: int | None = None) -> None:
        total = total or self._total
        counted = _count(done, failed, total, self._unit)
        if self._bars is None:
            if time.monotonic() - self._since[0] >= _LINE_INTERVAL_S:
                self._since = (time.monotonic(), done)
                self.note(f"{self._description}: {counted}")
            return
        if self._bar is None:
            self._bar = self._bars.add_task(self._description, total=total, text="")
            self._since = (time.monotonic(), done)
        start_s, first = self._since
        rate = (done - first) / max(time.monotonic() - start_s, 0.1)
        text = f"{counted}, {_format_rate(rate, self._unit)}"
        # Failed units are included, or the bar would never be full.
        self._bars.update(self._bar, completed=done + failed, total=total, text=text)


def _make_bars(console: "Console") -> "Bars":
    # Imported here: not every command shows progress.
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[text]}", markup=False),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _count(done: int, failed: int, total: int | None, unit: str) -> str:
    """Return "3 of 5 frames, 1 failed"."""
    if unit == "byte":
        return format_size(done) + (f" of {format_size(total)}" if total else "")
    counted = f"{done:,} of {pluralize(total, unit)}" if total else pluralize(done, unit)
    return counted + (f", {failed:,} failed" if failed else "")


def _format_rate(rate: float, unit: str) -> str:
    return f"{rate / 1e6:.1f} MB/s" if unit == "byte" else f"{rate:.1f} {unit}s/s"

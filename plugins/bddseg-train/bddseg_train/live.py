"""The terminal's view of a training run: a live table, or a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Group as Lines
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from bddseg.cli.console import is_quiet, make_console, show_note
from bddseg_train.view import SilentView, Snapshot, View

_LINE_INTERVAL_S = 30.0


@contextmanager
def open_view() -> Iterator[View]:
    """Show a run on stderr: live on a terminal, else a line every half minute; or not (--quiet)."""
    console = make_console(stderr=True)
    if is_quiet():
        yield SilentView()
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield _LiveView(live)
    else:
        yield _LineView()


class _LiveView:
    def __init__(self, live: Live) -> None:
        self._live = live

    def update(self, snapshot: Snapshot) -> None:
        bar = ProgressBar(total=snapshot.iterations, completed=snapshot.step, width=60)
        table = Table.grid(padding=(0, 2))
        for name, value in _describe(snapshot).items():
            table.add_row(name, value)
        self._live.update(Lines(bar, table))

    def note(self, text: str) -> None:
        self._live.console.print(text, highlight=False, markup=False)


class _LineView:
    def __init__(self) -> None:
        self._shown_s = float("-inf")

    def update(self, snapshot: Snapshot) -> None:
        is_over = snapshot.step == snapshot.iterations
        is_scored = snapshot.last is not None and snapshot.last.step == snapshot.step
        if is_over or is_scored or time.monotonic() - self._shown_s > _LINE_INTERVAL_S:
            self._shown_s = time.monotonic()
            show_note(", ".join(f"{name} {value}" for name, value in _describe(snapshot).items()))

    def note(self, text: str) -> None:
        show_note(text)


def _describe(snapshot: Snapshot) -> dict[str, str]:
    """Return what is shown, by name."""
    rest = timedelta(seconds=round(snapshot.remaining_s))
    memory = ", ".join(f"{name} {value:,} MB" for name, value in snapshot.memory_mb.items())
    shown = {
        "step": f"{snapshot.step:,} of {snapshot.iterations:,}",
        "loss": f"{snapshot.loss:.4f}",
        "learning rate": f"{snapshot.learning_rate:.5f}",
        "images/s": f"{snapshot.images_per_s:.1f}",
        "waiting for data": f"{snapshot.wait_share:.0%}",
        "time left": str(rest),
        "peak memory": memory,
    }
    if snapshot.last:
        listed = (f"{name} {value:.2f}" for name, value in snapshot.last.scores.items())
        shown[f"scores of {snapshot.last.origin}:"] = ", ".join(listed)
    if snapshot.best:
        shown["best score"] = str(snapshot.best)
    return shown

"""Progress on stderr: lines, bars, and nothing with --quiet."""

import io
from collections.abc import Iterator

import pytest

from bddseg.cli import progress
from bddseg.cli.console import set_quiet


@pytest.fixture(autouse=True)
def _not_quiet() -> Iterator[None]:
    set_quiet(False)
    yield
    set_quiet(False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which tests set."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_is_printed_every_ten_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.show_progress("Segmenting", unit="frame") as run:
        for second in range(25):
            clock[0] = float(second)
            run.update(done=second, failed=1, total=100)
    assert capsys.readouterr().err.splitlines() == [
        "Segmenting: 10 of 100 frames, 1 failed",
        "Segmenting: 20 of 100 frames, 1 failed",
    ]


def test_downloads_have_a_line_each(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show_progress_group() as group:
        one, two = group.start("one.pth", unit="byte"), group.start("two.pth", unit="byte")
        clock[0] = 11.0
        one.update(done=2_000_000, total=4_000_000)
        two.update(done=1_000_000)
        group.note("Waiting.")
    assert capsys.readouterr().err.splitlines() == [
        "one.pth: 2.0 MB of 4.0 MB",
        "two.pth: 1.0 MB",
        "Waiting.",
    ]


def test_items_are_passed_on(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    items = progress.track(["a", "b"], "Drawing")
    assert next(items) == "a"
    clock[0] = 11.0
    assert list(items) == ["b"]
    assert capsys.readouterr().err == "Drawing: 1 of 2 files\n"


def test_quiet_shows_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    set_quiet(True)
    with progress.show_progress("Segmenting", unit="frame") as run:
        clock[0] = 11.0
        run.update(done=1, total=2)
        run.note("A note.")
    assert capsys.readouterr().err == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress.show_progress("Segmenting", unit="frame") as run:
        run.update(done=1, failed=1, total=4)
        run.note("A note.")
    shown = terminal.getvalue()
    assert "Segmenting" in shown
    assert "1 of 4 frames, 1 failed" in shown
    assert "A note." in shown

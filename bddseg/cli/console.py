"""All that is printed: data to stdout; progress, warnings and errors to stderr."""

import json
import math
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO, TypeVar

from rich.console import Console, RenderableType

from bddseg.errors import BddsegError, BddsegWarning

T = TypeVar("T")

# Where there is no terminal to fit, tables are not squeezed.
_PLAIN_WIDTH = 160
_PLAIN_INTERVAL_S = 10.0


def show(content: RenderableType) -> None:
    """Print a result to stdout."""
    if isinstance(content, str):
        _print_plain(content, stderr=False)
    else:
        _make_console(stderr=False).print(content)


def show_json(content: Any) -> None:
    """Print one JSON document to stdout; numbers that JSON does not have become null."""
    sys.stdout.write(json.dumps(_replace_nan(content), indent=2, ensure_ascii=False) + "\n")


def show_note(text: str) -> None:
    """Print a remark to stderr."""
    _print_plain(text)


def show_error(error: BddsegError) -> None:
    """Print an error and its next step to stderr."""
    _print_plain(f"Error: {error.message}", style="red")
    if error.hint:
        _print_plain(error.hint)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning to stderr; it takes the place of `warnings.showwarning`."""
    if issubclass(category, BddsegWarning):
        _print_plain(f"Warning: {message}", style="yellow")
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)


def track(items: Sequence[T], description: str) -> Iterable[T]:
    """Pass items on and show on stderr how many have gone by."""
    console = _make_console(stderr=True)
    return (_track_bar if console.is_terminal else _track_lines)(items, description)


def _track_bar(items: Sequence[T], description: str) -> Iterator[T]:
    # Imported here: not every command shows a bar, and --help should be quick.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=_make_console(stderr=True),
    ) as progress:
        yield from progress.track(items, description=description)


def _track_lines(items: Sequence[T], description: str) -> Iterator[T]:
    reported = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - reported >= _PLAIN_INTERVAL_S:
            _print_plain(f"{description}: {done} of {len(items)}")
            reported = time.monotonic()
        yield item
    _print_plain(f"{description}: {len(items)} of {len(items)}")


def _make_console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH)


def _print_plain(text: str, *, style: str | None = None, stderr: bool = True) -> None:
    # Paths and messages are no markup, and must stay whole to be copied.
    _make_console(stderr=stderr).print(
        text, style=style, markup=False, highlight=False, soft_wrap=True
    )


def _replace_nan(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, dict):
        return {key: _replace_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_replace_nan(value) for value in content]
    return content

"""All that is printed: data to stdout; warnings and errors to stderr."""

import json
import math
import sys
import warnings
from typing import Any, TextIO

from rich.console import Console, RenderableType

from bddseg.errors import BddsegError, BddsegWarning

# Where there is no terminal to fit, tables are not squeezed.
_PLAIN_WIDTH = 160


def show(content: RenderableType) -> None:
    """Print a result to stdout."""
    if isinstance(content, str):
        print_plain(content, stderr=False)
    else:
        make_console(stderr=False).print(content)


def show_json(content: Any) -> None:
    """Print one JSON document to stdout; numbers that JSON does not have become null."""
    sys.stdout.write(json.dumps(_replace_nan(content), indent=2, ensure_ascii=False) + "\n")


def show_note(text: str) -> None:
    """Print a remark to stderr."""
    print_plain(text)


def show_error(error: BddsegError) -> None:
    """Print an error and its next step to stderr."""
    print_plain(f"Error: {error.message}", style="red")
    if error.hint:
        print_plain(error.hint)


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
        print_plain(f"Warning: {message}", style="yellow")
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)


def format_size(size_bytes: int) -> str:
    """Return a size as people read it: "184.2 MB"."""
    return f"{size_bytes / 1e6:,.1f} MB"


def make_console(*, stderr: bool) -> Console:
    """Return a console on a standard stream as it is now."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH)


def print_plain(text: str, *, style: str | None = None, stderr: bool = True) -> None:
    """Print text as it is."""
    # Paths and messages are no markup, and must stay whole to be copied.
    make_console(stderr=stderr).print(
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

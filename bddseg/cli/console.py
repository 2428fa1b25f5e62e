"""All that is printed: data to stdout; notes, warnings and errors to stderr."""

import json
import logging
import math
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bddseg.errors import BddsegError, BddsegWarning, quote

# Columns of tables that are not printed to a terminal, unless $COLUMNS says otherwise.
_PLAIN_WIDTH = 160
# Control characters, those that change the direction of text, and bytes that are no UTF-8.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


_quiet = False


def set_quiet(quiet: bool) -> None:
    """Set whether notes, warnings and progress are hidden, as --quiet of a command asks for."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Return whether notes, warnings and progress are hidden."""
    return _quiet


def set_verbose(verbose: bool) -> None:
    """Set whether the package's log messages of level INFO are printed to stderr."""
    logging.getLogger("bddseg").setLevel(logging.INFO if verbose else logging.WARNING)
    # Its warnings contain what servers send, and whole URLs; our errors say what matters.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    root = logging.getLogger()
    if not any(isinstance(handler, _LogHandler) for handler in root.handlers):
        root.addHandler(_LogHandler())


def show(content: RenderableType) -> None:
    """Print a result to stdout."""
    if isinstance(content, str):
        print_plain(content, stderr=False)
    else:
        make_console(stderr=False).print(content)


def show_json(content: Any) -> None:
    """Print one JSON document to stdout; NaN and infinity become null."""
    text = json.dumps(_replace_nan(content), indent=2, ensure_ascii=False)
    sys.stdout.write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def show_note(text: str) -> None:
    """Print a message to stderr; nothing with --quiet."""
    if not _quiet:
        print_plain(text)


def show_next(*words: object) -> None:
    """Print the command that usually comes next, with paths that are there, to stderr.

    Commands whose result is JSON do not call it.
    """
    show_note(f"Next: {' '.join(map(quote, words))}")


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
    """Print a warning to stderr, in place of `warnings.showwarning`; nothing with --quiet."""
    if _quiet:
        return
    if issubclass(category, BddsegWarning):
        print_plain(f"Warning: {message}", style="yellow")
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(escape(text))


def format_size(size_bytes: int) -> str:
    """Return a size in megabytes: "184.2 MB"."""
    return f"{size_bytes / 1e6:,.1f} MB"


def make_console(*, stderr: bool) -> Console:
    """Return a console on a standard stream as it is now."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns
    return _Console(file=stream, width=width, emoji=False)


def escape(text: str) -> str:
    r"""Return a text with its control characters as "\x1b" and so on, except tabs and newlines.

    Names of files, answers of servers and metadata can contain any character; a terminal would
    obey them.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def print_plain(text: str, *, style: str | None = None, stderr: bool = True) -> None:
    """Print text as it is."""
    # Paths and messages may contain markup characters, and must not be wrapped, to be copied.
    # Escaped before rich drops some of its characters.
    make_console(stderr=stderr).print(
        escape(text), style=style, markup=False, highlight=False, soft_wrap=True
    )


class _Console(Console):
    """Escapes all text that is printed, whatever it is a part of."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            # A control segment is rich's own, such as one that moves the cursor.
            yield segment if control else Segment(escape(text), style)


class _LogHandler(logging.Handler):
    """Prints log messages to stderr as it is now."""

    def emit(self, record: logging.LogRecord) -> None:
        print_plain(record.getMessage(), style="dim")


def _replace_nan(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, dict):
        return {key: _replace_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_replace_nan(value) for value in content]
    return content

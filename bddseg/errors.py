"""The errors that a user can act on."""

from collections.abc import Iterable

# The exit codes of a process that a signal ended, as shells have them: 128 + SIGINT, 128 + SIGTERM.
INTERRUPTED = 130
TERMINATED = 143
# Names that are all listed where one is unknown.
_MAX_LISTED = 8


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is in progress ends as after Ctrl-C, with another exit code."""


def get_exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a process that was interrupted."""
    return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


class BddsegError(Exception):
    """An error that is shown without a traceback: what happened, and what to do next.

    Args:
        message: what was found (with the value) and what was expected.
        hint: the next step, preferably a command to run.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def quote(text: object) -> str:
    """Return a path or a name as a shell takes it, for a command in a message."""
    # Imported here: it takes milliseconds, and --help should be quick.
    import shlex

    return shlex.quote(str(text))


class BddsegWarning(UserWarning):
    """Something that the user should know and that stops nothing."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> BddsegError:
    """Return the error for a name that is not in a list, with the nearest; few are all listed."""
    # Imported here: it takes milliseconds, and --help should be quick.
    from difflib import get_close_matches

    names = sorted(known)
    nearest = get_close_matches(name, names, n=3, cutoff=0.0)
    suggestion = f" Did you mean {', '.join(nearest)}?" if nearest else ""
    if len(nearest) < len(names) <= _MAX_LISTED:
        suggestion += f" There are: {', '.join(names)}."
    return BddsegError(f"There is no {kind} named '{name}'.{suggestion}", hint)

"""The errors that a user can act on."""

from collections.abc import Iterable


class BddsegError(Exception):
    """An error that is shown without a traceback: what happened, and what to do next.

    Args:
        message: what was found (with the value) and what was expected.
        hint: the next step, best a command to run.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BddsegWarning(UserWarning):
    """Something the user should know, which stops nothing."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> BddsegError:
    """Return the error for a name that is not in a list; it offers the three nearest."""
    # Imported here: it takes milliseconds, which --help need not wait for.
    from difflib import get_close_matches

    nearest = get_close_matches(name, sorted(known), n=3, cutoff=0.0)
    offer = f" The nearest: {', '.join(nearest)}." if nearest else ""
    return BddsegError(f"There is no {kind} named '{name}'.{offer}", hint)

"""SIGTERM, which service managers and container engines send to end a process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from bddseg.errors import Terminated


@contextmanager
def interrupt_on_sigterm() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: results in progress are written, and the record says so."""

    def interrupt(*_signal: object) -> None:
        raise Terminated

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # Not in the main thread: the program that called us handles signals.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

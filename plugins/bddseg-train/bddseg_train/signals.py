"""Ending a run at the end of a step when the process is told to stop."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def catch_signals() -> Iterator[Callable[[], bool]]:
    """Let the first SIGINT or SIGTERM end the run after its step; a second one, at once.

    Yields a function that tells whether one came. It is for commands: a library leaves signals
    alone.
    """
    caught: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

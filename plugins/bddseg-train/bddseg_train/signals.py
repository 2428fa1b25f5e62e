"""Ending a process of a run: when it is told to stop, and with the one that started it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

_POLL_S = 0.5


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


def exit_with_parent(parent: int) -> None:
    """End this process soon after the one that started it has ended, even if that was killed.

    On Windows, nothing is done: there the number of the parent stays.

    Args:
        parent: Id of the process that started this one, which may have ended already.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_S)
        os._exit(1)

    if os.name == "posix":
        Thread(target=watch, daemon=True).start()

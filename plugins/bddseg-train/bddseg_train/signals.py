"""Ending a process of a run: when it is told to stop, and with the one that started it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from bddseg.errors import INTERRUPTED, TERMINATED, Terminated

_POLL_S = 0.5


class StopRequest:
    """Whether a signal has asked a run to end."""

    def __init__(self) -> None:
        self._number: int | None = None

    def __call__(self) -> bool:
        """Return whether one came."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """The exit code of the command: that of SIGTERM if it came, otherwise of SIGINT."""
        return TERMINATED if self._number == signal.SIGTERM else INTERRUPTED

    def handle(self, number: int, _frame: object) -> None:
        """Take a signal."""
        if self._number is not None:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self._number = number


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Let the first SIGINT or SIGTERM end the run after its step; a second one, at once.

    Yields what tells whether one came. It is for commands: a library leaves signals alone.
    """
    request = StopRequest()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, request.handle) for number in numbers}
    try:
        yield request
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

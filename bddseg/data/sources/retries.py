"""When a live source is opened again: after which pauses, how often, and what is reported."""

import time

from bddseg.data.sources.source import LiveOptions
from bddseg.errors import BddsegError
from bddseg.io.urls import redact
from bddseg.progress import pluralize

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class Retries:
    """Counts the failures of a live source. The time to wait for its first frame starts here.

    Args:
        name: What messages call the source.
        options: How long its first frame is waited for, and how often it is opened again later.
    """

    def __init__(self, name: str, options: LiveOptions) -> None:
        self._name = name
        self._options = options
        self._deadline_s = time.monotonic() + options.wait_s
        self._failed = 0
        self._has_come = False

    def plan(
        self, cause: Exception | None, received: int, *, can_reopen: bool
    ) -> tuple[float, str]:
        """Return how many seconds to pause before it is opened again, and a message, or "".

        Args:
            cause: Why it failed; None if it ended.
            received: Number of frames that came since it was opened.
            can_reopen: Whether it is one that can be opened again.

        Raises:
            BddsegError: it is not to be opened again.
        """
        if received:
            self._failed, self._has_come = 0, True
        left_s = self._deadline_s - time.monotonic()
        # What never sent a frame is a mistake in its address, or is not up yet.
        may = self._failed < self._options.max_reconnects if self._has_come else left_s > 0
        if not (can_reopen and may):
            raise self._give_up(cause, can_reopen=can_reopen) from cause
        message = self._describe(_get_reason(cause))
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(self._failed, 10), _LONGEST_PAUSE_S)
        self._failed += 1
        return (pause_s if self._has_come else min(pause_s, left_s)), message

    def describe_success(self) -> str:
        """Return the message for a frame that came; "" unless it is the first after a failure."""
        if not self._failed:
            return ""
        self._failed = 0
        return f"{self._name} was opened{' again' if self._has_come else ''}."

    def _describe(self, reason: str) -> str:
        if not self._has_come:
            until = f"trying again for {self._options.wait_s:g} s"
            return "" if self._failed else f"{self._name} cannot be read yet ({reason}); {until}."
        what = "could not be opened" if self._failed else "was lost"
        attempt = f"{self._failed + 1} of {self._options.max_reconnects}"
        return f"{self._name} {what} ({reason}); opening it again, {attempt}."

    def _give_up(self, cause: Exception | None, *, can_reopen: bool) -> BddsegError:
        reason = _get_reason(cause)
        if not self._has_come:
            tried = f", after {pluralize(self._failed + 1, 'attempt')}" if self._failed else ""
            wait = "; --wait SECONDS waits for what is not up yet" if can_reopen else ""
            return BddsegError(
                f"{self._name} cannot be read: {reason}{tried}.",
                f"Check the address, and that a video player can open it{wait}.",
            )
        failed = pluralize(self._failed, "attempt")
        again = f", and {failed} to open it again failed" if self._failed else ""
        return BddsegError(
            f"{self._name} stopped sending frames{again}: {reason}.",
            "Check it and start again; --reconnects N allows more attempts.",
        )


def _get_reason(cause: Exception | None) -> str:
    return redact(str(cause)) or "it sent no frame" if cause else "it ended"

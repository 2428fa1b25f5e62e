"""A maximum rate of frames."""

import math


class Pace:
    """Says which frames are due, so that there are at most so many per second on average.

    A frame may be up to half a period early: frames that come at just the maximum rate are all due,
    though their times vary.

    Args:
        max_fps: Frames per second; None is any number.

    Attributes:
        due_s: From when on the next frame is due, as `time.monotonic` counts.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._period_s = 1 / max_fps if max_fps else 0.0
        self.due_s = -math.inf

    def use(self, time_s: float) -> None:
        """Count a frame that was used, with its time."""
        self.due_s = max(self.due_s + self._period_s, time_s + self._period_s / 2)

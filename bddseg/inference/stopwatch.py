"""Wall time of the stages of a pipeline."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds of wall time spent in each stage, in all threads together."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[str, float]:
        """The sums so far, rounded to milliseconds."""
        with self._lock:
            return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time spent in the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[stage] += time.perf_counter() - start

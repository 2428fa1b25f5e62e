"""Counts images and says what to log about them; without ROS and without a clock."""

from statistics import median
from threading import Lock

SILENCE_S = 5.0
SUMMARY_S = 10.0


class Monitor:
    """Counts of images since the last summary. Several threads may use it.

    Args:
        now_s: Time, as in all methods: seconds of a clock that never goes back.
    """

    def __init__(self, now_s: float) -> None:
        self._lock = Lock()
        self._last_s = self._summary_s = now_s
        self._is_silent = False
        self._reset()

    def add_received(self, now_s: float, *, drops_another: bool = False) -> None:
        """Count an image that came, perhaps in the place of one that waited."""
        with self._lock:
            self._last_s, self._is_silent = now_s, False
            self._received += 1
            self._dropped += drops_another

    def add_processed(self, latency_s: float) -> None:
        """Count an image whose labels were published."""
        with self._lock:
            self._latencies_s.append(latency_s)

    def add_failed(self) -> None:
        """Count an image that cannot be used."""
        with self._lock:
            self._failed += 1

    def check_silence(self, now_s: float) -> bool:
        """Return True once when no image came for `SILENCE_S`; again only after another image."""
        with self._lock:
            was_silent = self._is_silent
            self._is_silent = now_s - self._last_s >= SILENCE_S
            return self._is_silent and not was_silent

    def summarize(self, now_s: float) -> str | None:
        """Return a line each `SUMMARY_S` in which something came, and start again at 0."""
        with self._lock:
            if now_s - self._summary_s < SUMMARY_S:
                return None
            text = self._describe(now_s - self._summary_s)
            self._summary_s = now_s
            self._reset()
            return text

    def _describe(self, seconds: float) -> str | None:
        if not (self._received or self._latencies_s or self._failed):
            return None
        failed = f", {self._failed} failed" if self._failed else ""
        latency = ""
        if self._latencies_s:
            latency = f"; latency p50 {1000 * median(self._latencies_s):.0f} ms"
        return (
            f"In {seconds:.0f} s: {_count(self._received)} received, {len(self._latencies_s)} "
            f"processed, {self._dropped} dropped{failed}{latency}."
        )

    def _reset(self) -> None:
        self._received = self._dropped = self._failed = 0
        self._latencies_s: list[float] = []


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"

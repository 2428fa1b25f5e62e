"""How fast a training run is."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bddseg.inference.memory import get_peak_memory_mb
from bddseg_train.checkpoint import TrainingState
from bddseg_train.scored import Scored
from bddseg_train.view import Snapshot

# Steps that rates are averaged over.
_WINDOW = 20


class Meter:
    """Measures the time of the last steps.

    Args:
        batch_size: Images of a step.
        iterations: Steps of the run.
        device: Where the network runs.
    """

    def __init__(self, batch_size: int, iterations: int, device: torch.device) -> None:
        self._batch_size = batch_size
        self._iterations = iterations
        self._device = device
        self._seconds: deque[float] = deque(maxlen=_WINDOW)
        self._waits: deque[float] = deque(maxlen=_WINDOW)
        self._wait_s = 0.0
        self._began_s = time.monotonic()

    def begin(self) -> None:
        """Begin a step."""
        self._began_s, self._wait_s = time.monotonic(), 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time in the block as waiting for data."""
        began_s = time.monotonic()
        yield
        self._wait_s += time.monotonic() - began_s

    def end(self) -> None:
        """End a step."""
        self._seconds.append(time.monotonic() - self._began_s)
        self._waits.append(self._wait_s)

    def make_snapshot(
        self, state: TrainingState, loss: float, rate: float, last: Scored | None
    ) -> Snapshot:
        """Return where the run stands.

        Args:
            state: State after the step.
            loss: Loss of the step.
            rate: Learning rate of the step.
            last: Scores of the last evaluation.
        """
        seconds = max(sum(self._seconds), 1e-9)
        rest = (self._iterations - state.step) * seconds / max(len(self._seconds), 1)
        return Snapshot(
            step=state.step,
            iterations=self._iterations,
            loss=loss,
            learning_rate=rate,
            images_per_s=self._batch_size * len(self._seconds) / seconds,
            wait_share=sum(self._waits) / seconds,
            remaining_s=rest,
            memory_mb=self._measure_memory(),
            last=last,
            best=state.best,
        )

    def _measure_memory(self) -> dict[str, int]:
        host = get_peak_memory_mb()
        memory = {} if host is None else {"host": round(host)}
        if self._device.type == "cuda":
            memory["gpu"] = round(torch.cuda.max_memory_allocated(self._device) / 2**20)
        return memory

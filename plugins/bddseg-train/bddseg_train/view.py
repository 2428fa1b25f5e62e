"""What a training run shows while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bddseg_train.scored import Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Where a run stands.

    Attributes:
        step: Number of steps that were done.
        iterations: Number of steps in all.
        loss: Loss of the step.
        learning_rate: Learning rate of the step.
        images_per_s: Images of all processes, over the last steps.
        wait_share: Share of the time in which the network waited for data.
        remaining_s: Estimated time to the end.
        memory_mb: Peak memory of the process and, on a GPU, of torch there.
        last: Scores of the last evaluation of this process, if there was one; of the average of
            the weights, where there is one.
        best: Scores of the best weights so far, if there are validation frames.
    """

    step: int
    iterations: int
    loss: float
    learning_rate: float
    images_per_s: float
    wait_share: float
    remaining_s: float
    memory_mb: Mapping[str, int]
    last: Scored | None
    best: Scored | None

    @property
    def speed(self) -> dict[str, float]:
        """How fast the run is, for the log."""
        return {
            "images_per_s": round(self.images_per_s, 2),
            "wait_share": round(self.wait_share, 4),
        }


class View(Protocol):
    """Shows a training run."""

    def update(self, snapshot: Snapshot) -> None:
        """Show where the run stands; it is called after each step."""
        ...

    def note(self, text: str) -> None:
        """Show a message."""
        ...


class SilentView:
    """Shows nothing."""

    def update(self, snapshot: Snapshot) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

"""The record of a training run: where it stands, as `training.json` in its folder."""

from pathlib import Path
from typing import Literal, Self

import msgspec

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg_train.scored import Scored


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a training run did.

    Attributes:
        status: How it ended.
        step: Number of steps that were done.
        iterations: Number of steps of the recipe.
        best: Scores of the best weights, which the model has; None without validation frames.
        model: Entry of the trained model, for `bddseg infer`; empty if there is none yet.
        error: Why it failed.
        hint: What to do next then.
    """

    status: Literal["finished", "interrupted", "failed"]
    step: int
    iterations: int
    best: Scored | None = None
    model: str = ""
    error: str = ""
    hint: str = ""

    @classmethod
    def fail(cls, error: BddsegError, iterations: int) -> Self:
        """Return the record of a run that failed."""
        return cls(
            status="failed", step=0, iterations=iterations, error=error.message, hint=error.hint
        )


def write_record(path: Path, record: TrainingRecord) -> None:
    """Write a record.

    Raises:
        BddsegError: it cannot be written.
    """
    write_atomically(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def read_record(path: Path) -> TrainingRecord | None:
    """Return the record in a file; None if there is none."""
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=TrainingRecord)

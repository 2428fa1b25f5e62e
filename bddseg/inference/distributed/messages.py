"""What the workers of a run tell its coordinator, and what it replies."""

import json
from typing import Literal, TypeVar

import msgspec

from bddseg.inference.manifest import Outcome, WorkItem
from bddseg.record import WorkerStats

T = TypeVar("T")


class Heartbeat(msgspec.Struct, tag=True, frozen=True):
    """What a worker says about itself, first, every moment, and last.

    Attributes:
        stats: What it did so far; it has a device as soon as it has loaded the model.
        frame: The frame that it is processing.
    """

    stats: WorkerStats
    frame: str = ""


class Claim(msgspec.Struct, tag=True, frozen=True):
    """Asks for a work item."""


class Disconnect(msgspec.Struct, tag=True, frozen=True):
    """The last message of a worker, with message and hint of an error that has to end the run."""

    error: tuple[str, str] | None = None


class Report(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """What torchrun's agent says about the workers of its machine, every moment.

    Attributes:
        host: Name of the machine.
        pids: Their process ids.
        death: Which one died and how, if torchrun is about to restart them.
    """

    host: str
    pids: list[int]
    death: str = ""


Message = Heartbeat | Claim | Outcome | Disconnect | Report


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator replies to each message.

    Attributes:
        state: "work", "wait" (there may be work later), "end" (there is none left) or "stop" (the
            run was interrupted, has failed, or does without this worker).
        item: To a claim, the work item.
        since_ns: Results older than this are not the run's.
    """

    state: Literal["work", "wait", "end", "stop"]
    item: WorkItem | None = None
    since_ns: int = 0


def encode(value: object) -> bytes:
    """Return a line of JSON; file names that are not UTF-8 are escaped."""
    return json.dumps(msgspec.to_builtins(value, enc_hook=str)).encode() + b"\n"


def decode(line: bytes, kind: type[T]) -> T:
    """Return what `encode` was given.

    Raises:
        ValueError: it is something else.
    """
    return msgspec.convert(json.loads(line), kind, dec_hook=lambda wanted, value: wanted(value))

"""The work queue that the workers of a run share, in a store of torch.distributed.

The frames are in the run's manifest, in work items. Workers claim the next item from a common
counter, so that each is done once and a slow worker holds up nobody. They report failures, and send
a heartbeat every moment.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from torch.distributed import Store

from bddseg.errors import BddsegError
from bddseg.io.names import escape_names
from bddseg.record import Failure, WorkerStats

T = TypeVar("T")

_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a worker says about itself every moment.

    Attributes:
        rank: Rank of the worker.
        host: Name of its machine.
        pid: Process id.
        count: Number of heartbeats so far.
        done: Number of frames whose results it wrote.
        skipped: Number of frames whose results were there already.
        idle_s: Seconds since it last finished a frame.
        frame: The frame that it is processing.
    """

    rank: int
    host: str
    pid: int
    count: int
    done: int
    skipped: int
    idle_s: float
    frame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the worker of rank 0 announces before the work begins.

    Attributes:
        num_items: Number of work items in the manifest.
        first_written_ns: Modification time of the run's first file; older results are not the
            run's.
    """

    num_items: int
    first_written_ns: int


class WorkQueue:
    """The shared queue, as one worker sees it; threads may share it.

    Args:
        store: Shared by all workers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def publish(self, plan: Plan) -> None:
        """Announce that the manifest is written."""
        self._store.set("plan", _encode(plan))

    def wait_for_plan(self, is_stopped: Callable[[], bool]) -> Plan | None:
        """Return the plan as soon as it is published; None if the worker was stopped before."""
        while not is_stopped():
            if self._store.check(["plan"]):
                return _decode(self._store.get("plan"), Plan)
            time.sleep(_POLL_S)
        return None

    def claim(self, plan: Plan) -> int | None:
        """Return the number of the next work item; None if there are none left."""
        number = int(self._store.add("next_item", 1)) - 1
        return number if number < plan.num_items else None

    def report_failure(self, failure: Failure) -> None:
        """Report a frame without a result."""
        content = _encode(failure)
        number = self._store.add("failures", 1) - 1
        self._store.set(f"failure/{number}", content)

    def read_failures(self, known: int) -> list[Failure]:
        """Return the failures after the first `known`."""
        total = self._store.add("failures", 0)
        keys = [f"failure/{number}" for number in range(known, total)]
        # The counter grows a moment before the failure is there: `get` waits for it.
        return [_decode(self._store.get(key), Failure) for key in keys]

    def send_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Replace the worker's last heartbeat."""
        self._store.set(f"heartbeat/{heartbeat.rank}", _encode(heartbeat))

    def read_heartbeats(self, ranks: Sequence[int]) -> list[Heartbeat]:
        """Return the last heartbeat of each worker that has sent one."""
        return self._read_all("heartbeat", ranks, Heartbeat)

    def finish(self, stats: WorkerStats) -> None:
        """Report that a worker has nothing left to do, and what it did."""
        self._store.set(f"finished/{stats.rank}", _encode(stats))

    def read_finished(self, ranks: Sequence[int]) -> list[WorkerStats]:
        """Return what the workers did that have finished."""
        return self._read_all("finished", ranks, WorkerStats)

    def abort(self, error: BddsegError) -> None:
        """End the run for all workers; the first error counts."""
        if self._store.add("aborts", 1) == 1:
            self._store.set("abort", _encode((error.message, error.hint)))

    def read_abort(self) -> BddsegError | None:
        """Return the error that ends the run, if there is one."""
        if not self._store.check(["abort"]):
            return None
        return BddsegError(*_decode(self._store.get("abort"), tuple[str, str]))

    def disconnect(self, rank: int) -> None:
        """Announce that a worker will not use the queue any more."""
        self._store.set(f"disconnected/{rank}", "")

    def wait_for_disconnect(self, ranks: Sequence[int], timeout_s: float) -> None:
        """Wait until other workers have disconnected; until then they need the store."""
        end = time.monotonic() + timeout_s
        keys = [f"disconnected/{rank}" for rank in ranks]
        while keys and not self._store.check(keys) and time.monotonic() < end:
            time.sleep(_POLL_S)

    def _read_all(self, kind: str, ranks: Sequence[int], into: type[T]) -> list[T]:
        keys = [f"{kind}/{rank}" for rank in ranks]
        return [_decode(self._store.get(key), into) for key in keys if self._store.check([key])]


def _encode(value: object) -> str:
    return msgspec.json.encode(escape_names(msgspec.to_builtins(value))).decode()


def _decode(data: bytes, into: type[T]) -> T:
    return msgspec.json.decode(data, type=into)

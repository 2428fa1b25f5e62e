"""The board on which the workers of a run share frames and news: a store of torch.distributed.

The first worker pins up tasks, a few ahead of what is drawn, under `task/N`. Workers draw the next
number from a common counter and take that task down, so each is done once and a slow worker holds
up nobody. They report failures, and every moment how far they are.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import msgspec
from torch.distributed import Store

from bddseg.data.sources import FrameRef
from bddseg.engine.job import Failure, WorkerStats
from bddseg.errors import BddsegError

T = TypeVar("T")

Task = list[FrameRef]
_PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A worker's sign of life.

    Attributes:
        rank: its number.
        host: name of its machine.
        pid: its process.
        count: grows with every beat.
        done: frames whose results it wrote.
        idle_s: time since it last finished something.
        frame: what it is at.
    """

    rank: int
    host: str
    pid: int
    count: int
    done: int
    idle_s: float
    frame: str


class Board:
    """The shared board, as one worker sees it.

    Args:
        connect: gives a store; it is called twice, because a store's client waits for one answer
            at a time.
    """

    def __init__(self, connect: Callable[[], Store]) -> None:
        self._tasks = connect()
        self._news = connect()

    def pin(self, number: int, task: Task) -> None:
        """Publish a task; an empty one is the end for who draws it."""
        self._news.set(f"task/{number}", _encode(task))

    def count_drawn(self) -> int:
        """Return how many tasks have been drawn."""
        return int(self._news.add("drawn", 0))

    def draw(self, is_over: Callable[[], bool]) -> Task:
        """Return the next task; an empty one if there is none left, or `is_over` says so."""
        number = self._tasks.add("drawn", 1) - 1
        key = f"task/{number}"
        while not is_over():
            try:
                self._tasks.wait([key], _PATIENCE)
            # What a store raises in time has changed with torch's versions; if it was for another
            # reason than patience, `check` fails too.
            except RuntimeError:
                if not self._tasks.check([key]):
                    continue
            task = _decode(self._tasks.get(key), Task)
            self._tasks.delete_key(key)
            return task
        return []

    def report_failure(self, failure: Failure) -> None:
        """Tell of a frame that gave no result."""
        number = self._news.add("failures", 1) - 1
        self._news.set(f"failure/{number}", _encode(failure))

    def read_failures(self, known: int) -> list[Failure]:
        """Return the failures after the first `known`."""
        total = self._news.add("failures", 0)
        keys = [f"failure/{number}" for number in range(known, total)]
        # A number is drawn a moment before its failure is there: `get` waits for it.
        return [_decode(self._news.get(key), Failure) for key in keys]

    def beat(self, beat: Beat) -> None:
        """Give a sign of life."""
        self._news.set(f"beat/{beat.rank}", _encode(beat))

    def read_beats(self, ranks: Sequence[int]) -> list[Beat]:
        """Return the last sign of life of each worker that has given one."""
        return self._read_all("beat", ranks, Beat)

    def finish(self, stats: WorkerStats) -> None:
        """Tell that a worker has nothing left to do, and what it did."""
        self._news.set(f"finish/{stats.rank}", _encode(stats))

    def read_finished(self, ranks: Sequence[int]) -> list[WorkerStats]:
        """Return what the workers did that have finished."""
        return self._read_all("finish", ranks, WorkerStats)

    def abort(self, error: BddsegError) -> None:
        """End the run for all workers; the first reason counts."""
        if self._news.add("aborts", 1) == 1:
            self._news.set("abort", _encode((error.message, error.hint)))

    def read_abort(self) -> BddsegError | None:
        """Return why the run is to end, if it is."""
        if not self._news.check(["abort"]):
            return None
        return BddsegError(*_decode(self._news.get("abort"), tuple[str, str]))

    def leave(self, rank: int) -> None:
        """Tell that a worker will not use the board any more."""
        self._news.set(f"left/{rank}", "")

    def wait_until_left(self, ranks: Sequence[int], timeout_s: float) -> None:
        """Wait until the other workers have left, so that they find the board till then."""
        end = time.monotonic() + timeout_s
        keys = [f"left/{rank}" for rank in ranks]
        while keys and not self._news.check(keys) and time.monotonic() < end:
            time.sleep(0.02)

    def _read_all(self, kind: str, ranks: Sequence[int], into: type[T]) -> list[T]:
        keys = [f"{kind}/{rank}" for rank in ranks]
        return [_decode(self._news.get(key), into) for key in keys if self._news.check([key])]


def _encode(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _decode(data: bytes, into: type[T]) -> T:
    return msgspec.json.decode(data, type=into, dec_hook=lambda kind, value: kind(value))

"""The coordinator of a run: it distributes frames, watches the workers and keeps the record."""

import math
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bddseg.errors import BddsegError
from bddseg.inference.distributed.messages import (
    Claim,
    Disconnect,
    Heartbeat,
    Message,
    Reply,
    Report,
)
from bddseg.inference.distributed.queue import WorkQueue
from bddseg.inference.manifest import Manifest, Outcome
from bddseg.inference.run import RunSpec
from bddseg.inference.run_folder import RunFolder
from bddseg.progress import Progress, pluralize
from bddseg.record import RunRecord, Status, WorkerStats

# In place of the number of a connection.
OWN_WORKER = 0
# Importing torch from a slow disk may take this many times as long as a heartbeat.
START_FACTOR = 10
_POLL_S = 0.02
_FINISH_TIMEOUT_S = 3.0
_LATE_TIMEOUT_S = 60.0


@dataclass(slots=True)
class _Worker:
    heartbeat: Heartbeat
    heard_s: float
    has_ended: bool = False


class Coordinator:
    """A run as a whole; there is one, in the launcher or in the process of rank 0.

    It knows workers by the number of their connection; threads may share it. World size is the
    number of workers on all machines, and `restarts` how often they were restarted before.

    Raises:
        BddsegError: the source cannot be used, or the folder holds another run.
    """

    def __init__(
        self, spec: RunSpec, *, world_size: int, progress: Progress, restarts: int = 0
    ) -> None:
        self._launch = spec.launch
        self._world_size = world_size
        self._progress = progress
        self._folder = RunFolder(spec, restarts)
        self._lock = threading.RLock()
        self._workers: dict[int, _Worker] = {}
        self._dropped: set[int] = set()
        self._ranks: set[int] = set()
        # By rank, of workers that have loaded the model.
        self._stats: dict[int, WorkerStats] = {}
        # Of the processes of this machine: until when each may be silent.
        self._deadlines: dict[int, float] = {}
        self._queue: WorkQueue | None = None
        self._error: BddsegError | None = None
        self._is_stopping = False
        self._num_noted = 0
        self._created_s = self._watched_s = time.monotonic()

    @property
    def record(self) -> RunRecord:
        """What the run did so far."""
        return self._folder.record

    @property
    def is_complete(self) -> bool:
        """Whether each frame has a result or an error."""
        with self._lock:
            return self._queue is not None and self._queue.is_complete

    @property
    def has_loaded_worker(self) -> bool:
        """Whether a worker has loaded the model."""
        return bool(self._stats)

    @contextmanager
    def run(self) -> Iterator[None]:
        """List the frames, distribute them during the block, and write the final record.

        Nothing is written before; a worker should have loaded the model by then.

        Raises:
            BddsegError: the frames cannot be listed, some are missing in the end, or a file cannot
                be written.
        """
        folder, record = self._folder, self.record
        folder.start(self._world_size)
        started_s = time.monotonic()
        with Manifest(folder.manifest_path) as manifest:
            with self._lock:
                self._queue = WorkQueue(manifest, record.failures)
            status: Status = "failed"
            try:
                yield
                status = "finished"
            except KeyboardInterrupt:
                status = "interrupted"
                raise
            except Exception as error:
                record.error = str(error)
                raise
            finally:
                record.seconds["load"] = round(started_s - self._created_s, 3)
                record.seconds["run"] = round(time.monotonic() - started_s, 3)
                self._finish(self._queue, status)

    def handle(self, number: int, message: Message) -> Reply:
        """Return the reply to a message of a worker, or of torchrun's agent."""
        with self._lock:
            if isinstance(message, Report):
                self._take_report(message)
                return self._reply(None)
            if isinstance(message, Heartbeat) and number not in self._dropped:
                self._take_heartbeat(number, message)
            worker = self._workers.get(number)
            if worker is None:
                # It was silent for so long that others got its frames.
                return Reply(state="stop")
            worker.heard_s = time.monotonic()
            if isinstance(message, Outcome) and self._queue:
                self._queue.complete(number, message)
            if isinstance(message, Disconnect):
                worker.has_ended = True
                if self._queue:
                    self._queue.release(number)
                if message.error:
                    self._error = self._error or BddsegError(*message.error)
            return self._reply(number if isinstance(message, Claim) else None)

    def disconnect(self, number: int) -> None:
        """Take in that the connection of a worker has ended."""
        with self._lock:
            worker = self._workers.get(number)
            if worker and not worker.has_ended and not self._is_stopping:
                self._drop_worker(number, "has died")

    def watch(self) -> None:
        """Update the record, show progress, and drop workers that are silent.

        Call it every moment.

        Raises:
            BddsegError: a worker's error that ends the run, or the record cannot be written.
        """
        with self._lock:
            if self._error:
                raise self._error
            now = time.monotonic()
            # A process that was stopped itself heard nobody meanwhile.
            pause_s = now - self._watched_s
            self._watched_s = now
            for number, worker in list(self._workers.items()):
                worker.heard_s += pause_s if pause_s > 1 else 0
                silent_s = now - worker.heard_s
                if silent_s > self._launch.stall_timeout_s and not worker.has_ended:
                    self._drop_worker(number, f"has sent no heartbeat for {silent_s:.0f} s")
            if self._queue:
                self._show(self._queue)
                self._folder.update()

    def list_processes(self, *, hanging: bool = False) -> list[int]:
        """Return the process ids of this machine's workers, all or those that hang."""
        with self._lock:
            end = time.monotonic() if hanging else math.inf
            return [pid for pid, deadline in self._deadlines.items() if deadline <= end]

    def wait_for_late_workers(self) -> None:
        """Wait for workers that start when all is done: they look for the coordinator."""
        self._wait_for_workers(self._world_size, _LATE_TIMEOUT_S)

    def record_failure(self, error: BddsegError) -> None:
        """Write the record of a run whose process is about to end."""
        with self._lock:
            self.record.status, self.record.error = "failed", str(error)
            if self._queue:
                self._folder.finish()

    def _take_heartbeat(self, number: int, heartbeat: Heartbeat) -> None:
        worker = self._workers.setdefault(number, _Worker(heartbeat, 0))
        worker.heartbeat = heartbeat
        self._ranks.add(heartbeat.stats.rank)
        self._set_deadline(heartbeat.stats, math.inf)
        if heartbeat.stats.device:
            self._stats[heartbeat.stats.rank] = heartbeat.stats

    def _take_report(self, report: Report) -> None:
        if report.host == platform.node():
            deadline = time.monotonic() + START_FACTOR * self._launch.stall_timeout_s
            self._deadlines = {pid: self._deadlines.get(pid, deadline) for pid in report.pids}
        if not report.death or self.is_complete or self._is_stopping:
            return
        # A frame that kills its worker does so twice.
        num_fatal = self._queue.num_fatal_frames if self._queue else 0
        allowed = self._launch.max_restarts + 2 * num_fatal
        restarts = self.record.restarts
        if restarts < allowed:
            self.record.restarts += 1
            self._progress.note(
                f"{report.death}; the workers of its machine are started again "
                f"(restart {restarts + 1} of {allowed})."
            )
        else:
            self._error = self._error or BddsegError(
                f"{report.death}, after {pluralize(restarts, 'restart')}. Its output is above.",
                "Results so far are complete: run the same command again, and it resumes there.",
            )

    def _set_deadline(self, worker: WorkerStats, deadline: float) -> None:
        if worker.host == platform.node() and worker.pid in self._deadlines:
            self._deadlines[worker.pid] = deadline

    def _reply(self, claimant: int | None) -> Reply:
        queue = self._queue
        if queue and queue.is_complete:
            return Reply(state="end")
        if self._is_stopping or self._error:
            return Reply(state="stop")
        item = queue.claim(claimant) if queue and claimant is not None else None
        since_ns = self.record.first_written_ns
        return Reply(state="work" if item else "wait", item=item, since_ns=since_ns)

    def _drop_worker(self, number: int, problem: str) -> None:
        last = self._workers.pop(number).heartbeat
        worker = last.stats
        self._dropped.add(number)
        self._set_deadline(worker, 0)
        self._progress.note(
            f"Worker {worker.rank} (process {worker.pid} on {worker.host}) {problem}; it was at "
            f"{last.frame or 'the start'}."
        )
        if self._queue:
            self._queue.requeue_after_death(number)

    def _show(self, queue: WorkQueue) -> None:
        record = self.record
        stats = [worker.heartbeat.stats for worker in self._workers.values()]
        # Workers know of frames of work items that are not complete, the queue of dead workers.
        record.done = max(queue.done, sum(each.done for each in stats))
        record.skipped = max(queue.skipped, sum(each.skipped for each in stats))
        self._progress.update(
            done=record.done + record.skipped, failed=len(record.failures), total=record.frames
        )
        for failure in record.failures[self._num_noted :]:
            self._progress.note(f"Failed: {failure.error}")
        self._num_noted = len(record.failures)

    def _finish(self, queue: WorkQueue, status: Status) -> None:
        # Workers are told so when they send a message.
        self._is_stopping = True
        self._wait_for_workers(0, _FINISH_TIMEOUT_S)
        with self._lock:
            self._show(queue)
            record = self.record
            record.status = status
            record.workers = [self._stats[rank] for rank in sorted(self._stats)]
            record.device = record.workers[0].device if record.workers else ""
            if status == "finished":
                record.done, record.skipped = queue.done, queue.skipped
            self._folder.finish()

    def _wait_for_workers(self, num_ranks: int, timeout_s: float) -> None:
        """Wait until so many ranks were heard of, and all workers have ended."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not (
            len(self._ranks) >= num_ranks
            and all(worker.has_ended for worker in list(self._workers.values()))
        ):
            time.sleep(_POLL_S)

"""The first worker's second job: it hands out frames, watches the others, and keeps the record."""

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bddseg.data.sources import FrameRef, iterate_frames
from bddseg.engine.board import Beat, Board, Task
from bddseg.engine.job import (
    Job,
    Record,
    describe_weights,
    identify,
    list_versions,
    read_record,
)
from bddseg.engine.outputs import Outputs
from bddseg.errors import BddsegError
from bddseg.files import RECORD_NAME, is_same_file
from bddseg.progress import Display

# Tasks pinned up ahead of those drawn, for each worker.
_AHEAD = 64
_WRITE_INTERVAL_S = 10.0
_STALLED_FRAME_S = 600.0
_PATIENCE_S = 3.0


class StalledError(BddsegError):
    """A worker gives no sign of life."""


class Coordinator:
    """The run as a whole; there is one, in the first worker.

    Args:
        job: what to do.
        board: where tasks are pinned up.
        outputs: what is written.
        workers: number of workers on all machines.
        restarts: how often workers were started again before.
        display: shows how far the run is.

    Raises:
        BddsegError: the source holds no frames, the folder holds another run, or cannot be written.
    """

    def __init__(
        self,
        job: Job,
        board: Board,
        outputs: Outputs,
        *,
        workers: int,
        restarts: int,
        display: Display,
    ) -> None:
        self._job = job
        self._board = board
        self._outputs = outputs
        self._ranks = range(workers)
        self._display = display
        self._frames = iterate_frames(job.source, job.selection, exclude=job.out)
        self._listed = threading.Event()
        self._stopped = threading.Event()
        self._seen: dict[int, tuple[int, float]] = {}
        self._named: set[int] = set()
        self._written = time.monotonic()
        self._failure: Exception | None = None
        self.record = _start_record(job, restarts)

    def start(self, device: str) -> None:
        """Write the record and begin to hand out frames.

        Raises:
            BddsegError: the folder cannot be written, or a frame would be overwritten by its mask.
        """
        self.record.device = device
        if self.record.restarts:
            self._display.note(
                f"A worker died; all were started again (restart {self.record.restarts} of "
                f"{self._job.restarts}) and go on."
            )
        if not self.record.begun_ns:
            self.record.write(self._job.out)
            self.record.begun_ns = (self._job.out / RECORD_NAME).stat().st_mtime_ns
        self.record.write(self._job.out)
        threading.Thread(target=self._hand_out, name="lister", daemon=True).start()

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopped.set()

    def watch(self) -> None:
        """Take in what the workers report; call it every moment.

        Raises:
            StalledError: a worker gives no sign of life.
            Exception: what kept frames from being handed out.
        """
        if self._failure:
            raise self._failure
        record = self.record
        self._take_failures()
        beats = self._board.read_beats(self._ranks)
        record.done = sum(beat.done for beat in beats)
        self._display.update(
            done=record.done + record.skipped,
            failed=len(record.failures),
            total=record.frames if self._listed.is_set() else None,
        )
        for beat in beats:
            self._check(beat)
        if time.monotonic() - self._written > _WRITE_INTERVAL_S:
            record.write(self._job.out)
            self._written = time.monotonic()

    def finish(self, status: str, seconds: dict[str, float], error: str = "") -> Record:
        """Write what is made of all frames, and the record as it stays."""
        self.stop()
        # Interrupted, the others need a moment to write what they hold.
        end = time.monotonic() + _PATIENCE_S
        while status == "interrupted" and not self.all_finished() and time.monotonic() < end:
            time.sleep(0.05)
        record = self.record
        record.status, record.error, record.seconds = status, error, seconds
        record.workers = self._board.read_finished(self._ranks)
        record.done = sum(worker.done for worker in record.workers)
        self._take_failures()
        record.failures.sort(key=lambda failure: failure.frame)
        if status == "finished":
            self._outputs.finish(self._job.source)
        record.write(self._job.out)
        return record

    def all_finished(self) -> bool:
        """Return whether every worker has nothing left to do."""
        return len(self._board.read_finished(self._ranks)) == len(self._ranks)

    def _take_failures(self) -> None:
        for failure in self._board.read_failures(len(self.record.failures)):
            self.record.failures.append(failure)
            self._display.note(f"Failed: {failure.error}")

    def _hand_out(self) -> None:
        try:
            number = 0
            for number, task in enumerate(self._list_tasks(), start=1):
                self._board.pin(number - 1, task)
                while number > self._board.count_drawn() + _AHEAD * len(self._ranks):
                    if self._stopped.wait(0.02):
                        return
            self._listed.set()
            for rank in self._ranks:
                self._board.pin(number + rank, [])
        # Whatever it is: frames that are not handed out would be waited for for ever.
        except Exception as error:
            self._failure = error

    def _list_tasks(self) -> Iterator[Task]:
        """Yield the frames that are not done yet in groups that are best read together."""
        task: Task = []
        size = max(self._job.batch_size, 1)
        for ref in self._frames:
            if self._stopped.is_set():
                return
            self.record.frames += 1
            self._protect(ref)
            if not ref.twin and self._outputs.is_done(ref.name, self.record.begun_ns):
                self.record.skipped += 1
                continue
            whole = (
                len(task) >= size
                if ref.index is None
                else task[:1] and (ref.segment != task[0].segment)
            )
            if task and whole:
                yield task
                task = []
            task.append(ref)
        if task:
            yield task

    def _protect(self, ref: FrameRef) -> None:
        for path in self._outputs.list_paths(ref.name):
            if path.suffix == ref.path.suffix and is_same_file(path, ref.path):
                raise BddsegError(
                    f"The mask of {ref.path} would take the frame's own place.",
                    "Choose another output folder with -o.",
                )

    def _check(self, beat: Beat) -> None:
        now = time.monotonic()
        count, since = self._seen.get(beat.rank, (-1, now))
        if beat.count != count:
            self._seen[beat.rank] = (beat.count, now)
        elif now - since > self._job.stall_s:
            raise StalledError(
                f"Worker {beat.rank} (process {beat.pid} on {beat.host}) has given no sign of life "
                f"for {now - since:.0f} s; it was at {beat.frame or 'the start'}.",
                "Run the same command again: it goes on where this one stopped.",
            )
        if beat.idle_s > _STALLED_FRAME_S and beat.rank not in self._named:
            self._named.add(beat.rank)
            self._display.note(
                f"Worker {beat.rank} (process {beat.pid} on {beat.host}) has finished nothing for "
                f"{beat.idle_s:.0f} s; it is at {beat.frame or 'the start'}."
            )


def _start_record(job: Job, restarts: int) -> Record:
    weights = describe_weights(job.weights)
    identity = identify(job, str(weights["sha256"]))
    arguments = msgspec.to_builtins(
        {**asdict(job), "entry": job.entry.name, "formats": list(job.formats)}, enc_hook=str
    )
    # Workers that are started again go on with the run that they were part of.
    earlier = read_record(job.out) if not job.overwrite or restarts else None
    if earlier and earlier.identity != identity:
        raise _explain_other_run(job.out, earlier, identity)
    return Record(
        model=job.entry.name,
        task=job.entry.task,
        weights=weights,
        arguments=arguments,
        identity=identity,
        versions=list_versions(),
        device="",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        begun_ns=earlier.begun_ns if earlier else 0,
        restarts=restarts,
    )


def _explain_other_run(out: Path, earlier: Record, identity: dict[str, object]) -> BddsegError:
    changed = [
        f"{key} was {earlier.identity.get(key)} and is {value}"
        for key, value in identity.items()
        if earlier.identity.get(key) != value
    ]
    return BddsegError(
        f"{out} holds another run: {'; '.join(changed)}.",
        "Choose another output with -o, or say --overwrite to replace its results.",
    )

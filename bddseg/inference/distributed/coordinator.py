"""What the worker of rank 0 does besides its share: it lists frames, watches, keeps the record."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from bddseg.data.sources.files import drop_duplicates
from bddseg.data.sources.source import FrameRef, Source
from bddseg.errors import BddsegError
from bddseg.inference.distributed.queue import Heartbeat, Plan, WorkQueue
from bddseg.inference.manifest import MANIFEST_NAME, Manifest, write_manifest
from bddseg.inference.run import RunSpec, describe_weights, get_identity, list_versions
from bddseg.inference.writers.writer import RunWriters
from bddseg.io.overwrite import refuse_overwriting
from bddseg.io.walk import is_below
from bddseg.progress import Progress
from bddseg.record import RECORD_NAME, Failure, RunRecord, Status, has_record, read_record

_RECORD_INTERVAL_S = 10.0
_SLOW_FRAME_S = 600.0
_FINISH_TIMEOUT_S = 3.0


class StalledError(BddsegError):
    """A worker sends no heartbeats.

    Attributes:
        heartbeat: Its last one.
    """

    def __init__(self, message: str, hint: str, heartbeat: Heartbeat) -> None:
        super().__init__(message, hint)
        self.heartbeat = heartbeat


class Coordinator:
    """A run as a whole; there is one, in the worker of rank 0.

    Args:
        spec: What the run is asked to do.
        queue: Shared with the other workers.
        writers: Write the results.
        world_size: Number of workers on all machines.
        restarts: How often workers were restarted before.
        progress: Shows progress.

    Raises:
        BddsegError: the folder holds another run.
    """

    def __init__(
        self,
        spec: RunSpec,
        queue: WorkQueue,
        writers: RunWriters,
        *,
        world_size: int,
        restarts: int,
        progress: Progress,
    ) -> None:
        self._spec = spec
        self._queue = queue
        self._writers = writers
        self._ranks = range(world_size)
        self._progress = progress
        self._last_heartbeats: dict[int, tuple[int, float]] = {}
        self._slow: set[int] = set()
        self._record_written = time.monotonic()
        self.is_started = False
        self.record = _start_record(spec, restarts)

    def start(self, source: Source) -> None:
        """List the frames, write the manifest and the record, and publish the work.

        Raises:
            BddsegError: the source holds no frames, the folder cannot be written, or a result would
                overwrite a frame.
        """
        record, out = self.record, self._spec.out
        if record.restarts:
            self._progress.note(
                f"A worker died; all were restarted (restart {record.restarts} of "
                f"{self._spec.launch.max_restarts})."
            )
        manifest = out / MANIFEST_NAME
        if not self._spec.overwrite and not has_record(out):
            refuse_overwriting([manifest, *islice(self._writers.list_existing(), 1)])
        # In one pass, a frame at a time: there can be hundreds of thousands.
        refs = drop_duplicates(self._list_frames(source), self._report_duplicate)
        num_items = write_manifest(manifest, refs, num_workers=len(self._ranks))
        if not record.first_written_ns:
            record.first_written_ns = (out / RECORD_NAME).stat().st_mtime_ns
            self._writers.date_back(record.first_written_ns)
            record.write(out)
        self._queue.publish(Plan(num_items=num_items, first_written_ns=record.first_written_ns))
        self.is_started = True

    def watch(self) -> None:
        """Take in what the workers report; call it every moment.

        Raises:
            StalledError: a worker sends no heartbeats.
        """
        record = self.record
        self._take_failures()
        heartbeats = self._queue.read_heartbeats(self._ranks)
        record.done = sum(heartbeat.done for heartbeat in heartbeats)
        record.skipped = sum(heartbeat.skipped for heartbeat in heartbeats)
        self._progress.update(
            done=record.done + record.skipped,
            failed=len(record.failures),
            total=record.frames,
        )
        for heartbeat in heartbeats:
            self._check(heartbeat)
        if time.monotonic() - self._record_written > _RECORD_INTERVAL_S:
            record.write(self._spec.out)
            self._record_written = time.monotonic()

    def finish(
        self, status: Status, device: str, seconds: dict[str, float], error: str = ""
    ) -> RunRecord:
        """Write what is made of all frames, and the final record.

        Raises:
            BddsegError: it cannot be written, or frames are missing.
        """
        # After an interrupt, the others need a moment to write what they hold.
        end = time.monotonic() + _FINISH_TIMEOUT_S
        while status == "interrupted" and not self.all_finished() and time.monotonic() < end:
            time.sleep(0.05)
        record = self.record
        record.status, record.error = status, error
        record.device, record.seconds = device, seconds
        record.workers = self._queue.read_finished(self._ranks)
        record.done = sum(worker.done for worker in record.workers)
        record.skipped = sum(worker.skipped for worker in record.workers)
        self._take_failures()
        record.failures.sort(key=lambda failure: failure.frame)
        try:
            if status == "finished":
                self._check_complete()
                self._writers.close(self._read_frames, record.first_written_ns)
        except BddsegError as failure:
            record.status, record.error = "failed", str(failure)
            raise
        finally:
            record.write(self._spec.out)
        return record

    def all_finished(self) -> bool:
        """Return whether every worker has nothing left to do."""
        return len(self._queue.read_finished(self._ranks)) == len(self._ranks)

    def _check_complete(self) -> None:
        record = self.record
        known = record.done + record.skipped + len(record.failures)
        if known != record.frames:
            raise BddsegError(
                f"{record.frames - known} of {record.frames} frames have neither a result nor an "
                "error: a worker ended early.",
                "Run the same command again: it resumes there.",
            )

    def _take_failures(self) -> None:
        for failure in self._queue.read_failures(len(self.record.failures)):
            self.record.failures.append(failure)
            self._progress.note(f"Failed: {failure.error}")

    def _list_frames(self, source: Source) -> Iterator[FrameRef]:
        """Yield the frames of the source and count them; refuse to overwrite one."""
        for ref in self._writers.check_frames(source.items()):
            self.record.frames += 1
            yield ref
        # Before the manifest: a folder with files of ours is known by its record.
        self.record.write(self._spec.out)

    def _read_frames(self) -> Iterator[FrameRef]:
        with Manifest(self._spec.out / MANIFEST_NAME) as manifest:
            for number in range(len(manifest)):
                yield from manifest.read(number)

    def _report_duplicate(self, ref: FrameRef, error: BddsegError) -> None:
        self._queue.report_failure(Failure(frame=str(ref), error=str(error)))

    def _check(self, heartbeat: Heartbeat) -> None:
        now = time.monotonic()
        where = f"Worker {heartbeat.rank} (process {heartbeat.pid} on {heartbeat.host})"
        at = f"it is at {heartbeat.frame or 'the start'}"
        count, since = self._last_heartbeats.get(heartbeat.rank, (-1, now))
        if heartbeat.count != count:
            self._last_heartbeats[heartbeat.rank] = (heartbeat.count, now)
        elif now - since > self._spec.launch.stall_timeout_s:
            raise StalledError(
                f"{where} has sent no heartbeat for {now - since:.0f} s; {at}.",
                "Run the same command again: it resumes there.",
                heartbeat,
            )
        if heartbeat.idle_s > _SLOW_FRAME_S and heartbeat.rank not in self._slow:
            self._slow.add(heartbeat.rank)
            self._progress.note(
                f"{where} has finished no frame for {heartbeat.idle_s:.0f} s; {at}."
            )


def _start_record(spec: RunSpec, restarts: int) -> RunRecord:
    weights = describe_weights(spec.weights)
    identity = get_identity(spec, str(weights["sha256"]))
    arguments = msgspec.to_builtins(asdict(spec) | {"entry": spec.entry.name}, enc_hook=str)
    # Restarted workers continue the run that they were part of.
    earlier = read_record(spec.out) if not spec.overwrite or restarts else None
    if earlier is None:
        _refuse_inside_frames(spec)
    elif earlier.identity != identity:
        raise _describe_other_run(spec.out, earlier, identity)
    return RunRecord(
        model=spec.entry.name,
        task=spec.task,
        weights=weights,
        arguments=arguments,
        identity=identity,
        versions=list_versions(),
        device="",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        first_written_ns=earlier.first_written_ns if earlier else 0,
        restarts=restarts,
    )


def _refuse_inside_frames(spec: RunSpec) -> None:
    """Refuse a new output folder in the folder of the frames: results would become frames."""
    source = Path(spec.source)
    if not source.is_dir() or not is_below(spec.out, source):
        return
    if not spec.overwrite or is_below(source, spec.out):
        raise BddsegError(
            f"The output {spec.out} lies in {source}, the folder of the frames.",
            "Choose an output outside of it with -o.",
        )


def _describe_other_run(out: Path, earlier: RunRecord, identity: dict[str, object]) -> BddsegError:
    changed = [
        f"{key} was {earlier.identity.get(key)} and is {value}"
        for key, value in identity.items()
        if earlier.identity.get(key) != value
    ]
    return BddsegError(
        f"{out} holds another run: {'; '.join(changed)}.",
        "Choose another output with -o, or use --overwrite to replace its results.",
    )

"""What a run writes besides its results: the manifest of its frames, and the run record."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bddseg.data.image import read_image
from bddseg.data.sources.files import drop_duplicates
from bddseg.data.sources.source import FrameRef, open_source
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.manifest import MANIFEST_NAME, Manifest, write_manifest
from bddseg.inference.run import RunSpec, describe_weights, get_identity, list_versions
from bddseg.inference.writers.writer import RunWriters, get_task_folder
from bddseg.io.overwrite import refuse_overwriting
from bddseg.io.walk import is_below
from bddseg.record import RECORD_NAME, Failure, RunRecord, has_record, read_record
from bddseg.tasks.task import Task, get_task

_RECORD_INTERVAL_S = 10.0
# A mask has one for each class, and one for pixels that do not count.
_MAX_MASK_COLORS = 20
_CHECKSUM = "weights_sha256"


class RunFolder:
    """The output folder of a run.

    Args:
        spec: What the run is asked to do.
        restarts: How often its workers were restarted before.

    Raises:
        BddsegError: the source cannot be used, or the folder holds another run.
    """

    def __init__(self, spec: RunSpec, restarts: int = 0) -> None:
        self._spec = spec
        self._tasks = [*map(get_task, spec.tasks)]
        self._writers = RunWriters(spec.out, spec.formats, self._tasks, spec.source)
        self._source = open_source(spec.source, spec.selection, exclude=spec.out)
        self._written_s = time.monotonic()
        self.manifest_path = spec.out / MANIFEST_NAME
        self.record = _start_record(spec, restarts)

    def start(self, world_size: int) -> None:
        """List the frames, and write the manifest and the record.

        Args:
            world_size: Number of workers on all machines.

        Raises:
            BddsegError: the source holds no frames, the folder cannot be written, or a result would
                overwrite a frame.
        """
        record = self.record
        if not self._spec.overwrite and not has_record(self._spec.out):
            refuse_overwriting([self.manifest_path, *islice(self._writers.list_existing(), 1)])
        # In one pass, a frame at a time: there can be hundreds of thousands.
        refs = drop_duplicates(self._list_frames(), self._report_duplicate)
        is_smoothed = self._spec.execution.is_smoothed
        write_manifest(self.manifest_path, refs, num_workers=world_size, sequences=is_smoothed)
        if not record.first_written_ns:
            record.first_written_ns = (self._spec.out / RECORD_NAME).stat().st_mtime_ns
            self._writers.date_back(record.first_written_ns)
            self._write_record()

    def update(self) -> None:
        """Write the record if it is old."""
        if time.monotonic() - self._written_s > _RECORD_INTERVAL_S:
            self._write_record()
            self._written_s = time.monotonic()

    def finish(self) -> None:
        """Write what is made of all frames, if the run is finished, and the final record.

        Raises:
            BddsegError: it cannot be written, or frames are missing.
        """
        record = self.record
        record.failures.sort(key=lambda failure: failure.frame)
        try:
            if record.status == "finished":
                self._check_complete()
                self._writers.close(self._read_frames, record.first_written_ns)
        except BddsegError as failure:
            record.status, record.error = "failed", str(failure)
            raise
        finally:
            self._write_record()

    def _write_record(self) -> None:
        write_record(self.record, self._spec.out, self._tasks)

    def _check_complete(self) -> None:
        record = self.record
        known = record.done + record.skipped + len(record.failures)
        if known != record.frames:
            raise BddsegError(
                f"{record.frames - known} of {record.frames} frames have neither a result nor an "
                "error: a worker ended early.",
                "Run the same command again: it resumes there.",
            )

    def _list_frames(self) -> Iterator[FrameRef]:
        """Yield the frames of the source and count them; refuse to overwrite one."""
        for ref in self._writers.check_frames(self._source.items()):
            if not self.record.frames:
                _warn_of_mask(ref.path)
            self.record.frames += 1
            yield ref
        # Before the manifest: a folder with files of ours is known by its record.
        self._write_record()

    def _read_frames(self) -> Iterator[FrameRef]:
        with Manifest(self.manifest_path) as manifest:
            for number in range(len(manifest)):
                yield from manifest.read(number)

    def _report_duplicate(self, ref: FrameRef, error: BddsegError) -> None:
        self.record.failures.append(Failure(frame=str(ref), error=str(error)))


def _warn_of_mask(path: Path) -> None:
    """Warn if a frame is a PNG with as few colors as a mask."""
    if path.suffix.lower() != ".png":
        return
    with suppress(BddsegError):
        pixels = read_image(path)[::8, ::8].reshape(-1, 3)
        num_colors = len(np.unique(pixels, axis=0))
        # Few pixels, or a black frame, say nothing.
        if 1 < num_colors <= _MAX_MASK_COLORS < len(pixels) / 10:
            text = (
                f"{path} has only {num_colors} colors: it looks like a mask, not like a frame. If "
                "it is one, give the folder of the frames."
            )
            warnings.warn(text, BddsegWarning, stacklevel=2)


def write_record(record: RunRecord, out: Path, tasks: Sequence[Task]) -> None:
    """Write a run's record; beside the results of each further task, one that names that task."""
    for task in tasks:
        replace(record, task=task.name).write(get_task_folder(out, tasks, task))


def create_record(spec: RunSpec) -> RunRecord:
    """Return the record of a run that starts now.

    Raises:
        BddsegError: the weights cannot be read.
    """
    weights = describe_weights(spec.weights)
    return RunRecord(
        model=spec.entry.name,
        task=spec.task,
        weights=weights,
        arguments=msgspec.to_builtins(asdict(spec) | {"entry": spec.entry.name}, enc_hook=str),
        identity=get_identity(spec, str(weights["sha256"])),
        versions=list_versions(),
        device="",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _start_record(spec: RunSpec, restarts: int) -> RunRecord:
    record = create_record(spec)
    # Restarted workers continue the run that they were part of.
    earlier = read_record(spec.out) if not spec.overwrite or restarts else None
    if earlier is None:
        _refuse_inside_frames(spec)
    elif earlier.identity != record.identity:
        raise _describe_other_run(spec.out, earlier, record.identity)
    else:
        record.first_written_ns = earlier.first_written_ns
    record.restarts = restarts
    return record


def _refuse_inside_frames(spec: RunSpec) -> None:
    """Refuse a new output folder in the folder of the frames: results would become frames."""
    source = Path(spec.source)
    if not source.is_dir() or not is_below(spec.out, source):
        return
    if not spec.overwrite or is_below(source, spec.out):
        raise BddsegError(
            f"{spec.out} is in the folder of the frames, {source}: results would become frames.",
            "Choose an output outside of it with -o.",
        )


def _describe_other_run(out: Path, earlier: RunRecord, identity: dict[str, Any]) -> BddsegError:
    changes = dict(_list_changes(earlier.identity, identity))
    if "model" in changes:
        # Nearly all else differs too, because of it.
        changes = {key: each for key, each in changes.items() if key in ("model", _CHECKSUM)}
    listed = "; ".join(f"{key} was {old} and is {new}" for key, (old, new) in changes.items())
    return BddsegError(
        f"{out} holds another run: {listed}.",
        "Choose another output with -o, or use --overwrite to replace its results.",
    )


def _list_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, tuple[object, object]]]:
    """Yield the keys whose values differ, such as "smooth.weight", each with both values."""
    for key in {**old, **new}:
        before, now = old.get(key), new.get(key)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            # The network is what most keys are of; its name would only make them longer.
            yield from _list_changes(before, now, "" if key == "network" else f"{prefix}{key}.")
        elif key == _CHECKSUM:
            yield key, (f"{before}"[:8], f"{now}"[:8])
        else:
            yield prefix + key, (before, now)

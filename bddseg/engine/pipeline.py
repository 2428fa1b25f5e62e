"""The run: frames are read, segmented and written as masks, one after the other."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bddseg.data.frames import FrameFile, find_frames, read_frame
from bddseg.data.masks import write_mask
from bddseg.engine.job import Failure, Job, Record, describe_weights, list_versions
from bddseg.engine.model import Model, load_model
from bddseg.errors import BddsegError
from bddseg.progress import Track, track_silently


def run_job(job: Job, *, track: Track = track_silently) -> Record:
    """Write a mask for each frame of the job, and `run.json`; return the latter's content.

    A frame that cannot be read is recorded as a failure and the others are done. Interrupted, the
    run leaves whole masks and a record of how far it came.

    Raises:
        BddsegError: no frames, an output folder that cannot be written, weights that do not fit, or
            no such device.
    """
    frames = find_frames(job.source, exclude=job.out)[: job.limit]
    _protect_frames(frames, job.out)
    clock = Clock()
    with clock.time("load"):
        model = load_model(
            job.entry,
            weights=job.weights,
            device=job.device,
            precision=job.precision,
            tta=job.tta,
        )
    record = _start_record(job, model, len(frames))
    # Written first, so that a folder that cannot be written ends the run before the work.
    record.write(job.out)
    try:
        with clock.time("run"):
            for frame in track(frames, "Segmenting"):
                _process_frame(frame, model, job.out, record, clock)
        record.status = "finished"
    except KeyboardInterrupt:
        record.status = "interrupted"
        raise
    finally:
        record.seconds = clock.seconds
        record.write(job.out)
    return record


class Clock:
    """Seconds of wall time spent under each name."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def seconds(self) -> dict[str, float]:
        """The sums so far."""
        return dict(self._seconds)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the time spent in the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - start


def _start_record(job: Job, model: Model, frames: int) -> Record:
    return Record(
        model=job.entry.name,
        task=job.entry.task,
        weights=describe_weights(job.weights),
        arguments={
            "source": job.source,
            "out": str(job.out),
            "device": job.device,
            "limit": job.limit,
            "precision": job.precision,
            "tta": job.tta,
        },
        versions=list_versions(),
        device=str(model.device),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        frames=frames,
    )


def _process_frame(frame: FrameFile, model: Model, out: Path, record: Record, clock: Clock) -> None:
    try:
        with clock.time("read"):
            pixels = read_frame(frame.path)
    except BddsegError as error:
        record.failures.append(Failure(frame=str(frame.path), error=str(error)))
        return
    with clock.time("prepare"):
        images = model.prepare(pixels)
    with clock.time("network"):
        labels = model.segment(images, (pixels.shape[0], pixels.shape[1]))
    with clock.time("write"):
        write_mask(get_mask_path(out, frame), labels)
    record.done += 1


def get_mask_path(out: Path, frame: FrameFile) -> Path:
    """Return where a frame's mask goes."""
    return out / f"{frame.name}.png"


def _protect_frames(frames: list[FrameFile], out: Path) -> None:
    for frame in frames:
        if get_mask_path(out, frame).resolve() == frame.path.resolve():
            raise BddsegError(
                f"The mask of {frame.path} would take the frame's own place.",
                "Choose another output folder with -o.",
            )

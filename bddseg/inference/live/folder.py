"""What a live run writes: results as they come, a list of the frames, and the run record."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from csv import DictReader
from itertools import islice
from typing import IO

from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction
from bddseg.inference.run import RunSpec
from bddseg.inference.run_folder import write_record
from bddseg.inference.writers.writer import RunWriters
from bddseg.io.atomic import write_error
from bddseg.io.overwrite import refuse_overwriting
from bddseg.record import RECORD_NAME, RunRecord, has_record
from bddseg.tasks.task import get_task

FRAMES_NAME = "frames.csv"
_RECORD_INTERVAL_S = 10.0


class LiveFolder:
    """The output folder of a live run.

    `frames.csv` has a line for each frame that has results: its name, when it came, in seconds of
    Unix time (`Prediction.time`), and how many milliseconds later its results were written.

    Args:
        spec: What the run is asked to do.
        record: Its record.
    """

    def __init__(self, spec: RunSpec, record: RunRecord) -> None:
        self._spec = spec
        self._record = record
        self._tasks = [*map(get_task, spec.tasks)]
        self._writers = RunWriters(spec.out, spec.formats, self._tasks, spec.source)
        self._frames_path = spec.out / FRAMES_NAME
        self._frames: IO[str] | None = None
        self._written_s = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether something was written."""
        return self._frames is not None

    def check(self) -> None:
        """Refuse a folder that is in use.

        Raises:
            BddsegError: it holds a run or results, and they are not to be overwritten.
        """
        out = self._spec.out
        if self._spec.overwrite:
            return
        if has_record(out):
            raise BddsegError(
                f"{out} holds an earlier run, and a live run cannot be resumed.",
                "Choose another output with -o, or use --overwrite to replace its results.",
            )
        refuse_overwriting([self._frames_path, *islice(self._writers.list_existing(), 1)])

    @contextmanager
    def open(self) -> Iterator[None]:
        """Write the record, and keep the list of the frames open during the block."""
        record, out = self._record, self._spec.out
        self._write_record()
        record.first_written_ns = (out / RECORD_NAME).stat().st_mtime_ns
        self._writers.date_back(record.first_written_ns)
        try:
            # Line by line: what is written is complete however the run ends.
            with self._frames_path.open("w", buffering=1, encoding="utf-8") as self._frames:
                self._frames.write("name,time,latency_ms\n")
                yield
        except OSError as error:
            raise write_error(self._frames_path, error) from error

    def write(self, ref: FrameRef, predictions: Sequence[Prediction]) -> None:
        """Write all files of a frame, and the record if it is old.

        Raises:
            BddsegError: they cannot be written.
        """
        self._writers.write(ref, predictions)
        if time.monotonic() - self._written_s > _RECORD_INTERVAL_S:
            self._write_record()
            self._written_s = time.monotonic()

    def log(self, ref: FrameRef, latency_ms: float) -> None:
        """List a frame whose results are written."""
        assert self._frames
        # A plugin's source may not know when its frames came.
        came = time.time() - latency_ms / 1000 if ref.time is None else ref.time
        self._frames.write(f"{ref.name},{came:.3f},{latency_ms:.1f}\n")

    def finish(self) -> None:
        """Write what is made of all frames, and the final record.

        Raises:
            BddsegError: it cannot be written.
        """
        try:
            self._writers.close(self._read_frames, self._record.first_written_ns)
        except BddsegError as failure:
            self._record.status, self._record.error = "failed", str(failure)
            raise
        finally:
            self._write_record()

    def _write_record(self) -> None:
        write_record(self._record, self._spec.out, self._tasks)

    def _read_frames(self) -> Iterator[FrameRef]:
        with self._frames_path.open(encoding="utf-8") as file:
            for row in DictReader(file):
                yield FrameRef(str(self._record.arguments["source"]), row["name"])

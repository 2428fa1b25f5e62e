"""A live run: the newest frame through the network, then the next newest; one process, no queue.

A frame waits nowhere: it is decoded while the network is busy with the one before, and dropped if
another comes meanwhile. Results are written by a thread of their own.
"""

import os
import platform
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch

from bddseg.data.sources.live import LiveSource
from bddseg.data.sources.live_reader import LiveStats
from bddseg.data.sources.source import FrameRef, OpenSource, read_all
from bddseg.errors import BddsegError
from bddseg.inference.live.folder import LiveFolder
from bddseg.inference.live.open_source import open_checked_source
from bddseg.inference.live.viewer import Viewer
from bddseg.inference.memory import get_peak_memory_mb
from bddseg.inference.prediction import Prediction
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.run import RunSpec
from bddseg.inference.run_folder import create_record
from bddseg.inference.runtimes.auto import AutoRuntime
from bddseg.inference.smoothing import Smoother
from bddseg.inference.stopwatch import Stopwatch
from bddseg.inference.threads import restore_num_threads, set_num_threads
from bddseg.io.lock import lock_folder
from bddseg.progress import Progress, SilentProgress
from bddseg.record import Failure, WorkerStats
from bddseg.types import Image

# Latencies of so many frames are kept.
_MAX_LATENCIES = 10_000
# Failed frames that the record names: a run may go on for days.
_MAX_FAILURES = 1000
# Frames whose results wait for being written, besides the one that is.
_MAX_WAITING = 1


class LiveRun:
    """A run over a live source; or one over any source that shows its results and writes none.

    Args:
        spec: What it is asked to do; without formats, nothing is written.
        progress: Shows progress.
        source: The source, if `open_checked_source` has opened it already.

    Attributes:
        record: What it did so far.

    Raises:
        BddsegError: a live run cannot do what it is asked for.
    """

    def __init__(
        self, spec: RunSpec, progress: Progress | None = None, source: OpenSource | None = None
    ) -> None:
        self._spec = spec
        self._viewers: Sequence[Viewer] = ()
        self._progress = progress or SilentProgress()
        self._source = source or open_checked_source(spec)
        self.record = create_record(spec)
        if isinstance(self._source, LiveSource):
            # Without its password.
            name = self._source.name
            self.record.arguments["source"] = self.record.identity["source"] = name
            self._source.reader.note = self._progress.note
        self._folder = LiveFolder(spec, self.record) if spec.formats else None
        self._latencies_ms: deque[float] = deque(maxlen=_MAX_LATENCIES)
        self._stopwatch = Stopwatch()
        self._slots = threading.BoundedSemaphore(1 + _MAX_WAITING)
        self._failure: BaseException | None = None
        self._created_s = time.monotonic()

    def run(self, viewers: Sequence[Viewer] = ()) -> None:
        """Process frames until the source ends, the limit is reached or a viewer is closed.

        Args:
            viewers: Show the results; they are closed at the end.

        Raises:
            BddsegError: the model cannot be loaded, the source fails, or a result cannot be
                written.
            KeyboardInterrupt: it was interrupted; what was written is complete.
        """
        self._viewers = viewers
        with ExitStack() as stack:
            stack.enter_context(restore_num_threads())
            for viewer in self._viewers:
                stack.callback(viewer.close)
            if self._folder:
                stack.enter_context(lock_folder(self._spec.out))
                self._folder.check()
            self._run(self._load(), stack)

    def _load(self) -> Predictor:
        execution = self._spec.execution
        if execution.num_threads:
            set_num_threads(execution.num_threads)
        return load_model(
            self._spec.entry,
            weights=self._spec.weights,
            task=self._spec.tasks,
            runtime=execution.runtime,
            device=execution.device,
            precision=execution.precision,
            compile=execution.compile,
            tta=execution.tta,
        )

    def _run(self, predictor: Predictor, stack: ExitStack) -> None:
        record, started_s = self.record, time.monotonic()
        record.device = str(predictor.device)
        record.seconds["load"] = round(started_s - self._created_s, 3)
        frames = read_all(self._source)
        record.status = "failed"
        try:
            with ThreadPoolExecutor(1, "writer") as pool:
                smooth = self._spec.execution.smooth
                smoother = Smoother(predictor, smooth) if smooth < 1 else None
                for ref, image in frames:
                    # Nothing is written for a source that cannot be opened.
                    if self._folder and not self._folder.is_open:
                        stack.enter_context(self._folder.open())
                    self._process(predictor, smoother, pool, ref, image)
                    if self._failure or any(viewer.is_closed for viewer in self._viewers):
                        break
            if self._failure:
                raise self._failure
            record.status = "finished"
        except KeyboardInterrupt:
            record.status = "interrupted"
            raise
        except BddsegError as error:
            record.error = str(error)
            raise
        finally:
            frames.close()
            self._count()
            self._measure_latency()
            record.seconds["run"] = round(time.monotonic() - started_s, 3)
            if isinstance(predictor.runtime, AutoRuntime) and predictor.runtime.chosen:
                record.identity["runtime"] = predictor.runtime.chosen
            record.workers = [self._describe_worker()]
            if self._folder and self._folder.is_open:
                self._folder.finish()

    def _process(
        self,
        predictor: Predictor,
        smoother: Smoother | None,
        pool: ThreadPoolExecutor,
        ref: FrameRef,
        image: Image | BddsegError,
    ) -> None:
        if ref.came_s is None:
            ref = replace(ref, came_s=time.monotonic())
        try:
            if isinstance(image, BddsegError):
                raise image
            with self._stopwatch.time("network"):
                predictions = list(predictor.predict_frame(ref, image, smoother))
        except BddsegError as error:
            if len(self.record.failures) < _MAX_FAILURES:
                self.record.failures.append(Failure(frame=str(ref), error=str(error)))
            self._progress.note(f"Failed: {error}")
            return
        with self._stopwatch.time("show"):
            for viewer in self._viewers:
                viewer.show(predictions[0])
        if self._folder:
            self._slots.acquire()
            pool.submit(self._write, ref, predictions)
        else:
            self._finish_frame(ref)
        self._count()
        self._progress.update(done=self.record.done, failed=len(self.record.failures))

    def _write(self, ref: FrameRef, predictions: Sequence[Prediction]) -> None:
        assert self._folder
        try:
            with self._stopwatch.time("write"):
                self._folder.write(ref, predictions)
            self._folder.log(ref, self._finish_frame(ref))
        except BaseException as error:
            self._failure = error
        finally:
            self._slots.release()

    def _finish_frame(self, ref: FrameRef) -> float:
        """Return how many milliseconds after it came a frame was done."""
        latency_ms = ref.get_latency_ms() or 0.0
        self._latencies_ms.append(latency_ms)
        self.record.done += 1
        return latency_ms

    def _get_stats(self) -> LiveStats:
        return self._source.stats if isinstance(self._source, LiveSource) else LiveStats()

    def _count(self) -> None:
        """Take the source's counts into the record."""
        stats, record = self._get_stats(), self.record
        record.dropped, record.reconnects = stats.dropped, stats.reconnects
        record.frames = stats.received or record.done + len(record.failures)

    def _measure_latency(self) -> None:
        if isinstance(self._source, LiveSource) and self._latencies_ms:
            p50, p99 = np.percentile(self._latencies_ms, (50, 99)).round(1).tolist()
            self.record.latency_ms = {"p50": p50, "p99": p99}

    def _describe_worker(self) -> WorkerStats:
        peak_mb = get_peak_memory_mb()
        return WorkerStats(
            rank=0,
            host=platform.node(),
            pid=os.getpid(),
            device=self.record.device,
            num_threads=torch.get_num_threads(),
            done=self.record.done,
            skipped=0,
            seconds=self._stopwatch.seconds,
            peak_memory_mb={"process": round(peak_mb, 1)} if peak_mb else {},
        )

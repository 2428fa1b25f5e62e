"""One worker's pipeline: reading, the network, and writing overlap; what waits is bounded.

Reader threads draw tasks, read frames and prepare them; one thread runs the network; writer threads
encode and write. Between them stand queues of fixed length, so memory does not grow with the number
of frames, and the slowest stage sets the pace of all.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from bddseg.data.frames import Frame
from bddseg.data.sources import FrameRef, describe_twin, read_frames
from bddseg.engine.board import Task
from bddseg.engine.job import Failure
from bddseg.engine.model import Model, Prepared
from bddseg.engine.outputs import Outputs
from bddseg.errors import BddsegError

_WAIT_S = 0.2
# A GPU works on large batches at its best, but beyond this there is little to gain.
_LARGEST_BATCH = 16
# Of the GPU memory that is free, the share that a batch may fill: what one frame takes at its peak
# is measured once, and allocators waste some.
_MEMORY_SHARE = 0.7


class Clock:
    """Seconds of wall time spent under each name, in all threads together."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[str, float]:
        """The sums so far, in milliseconds' precision."""
        with self._lock:
            return {name: round(seconds, 3) for name, seconds in self._seconds.items()}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the time spent in the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[name] += time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Ready:
    """A frame that was read and prepared."""

    ref: FrameRef
    prepared: Prepared
    frame: Frame | None


class Pipeline:
    """The stages of one worker.

    Args:
        model: its network.
        outputs: what is written, and where.
        draw: gives the next task, an empty one at the end; called from reader threads.
        report: is told of frames that gave no result; called from any thread.
        batch_size: the most frames that the network gets at a time; 0 finds it out.
        readers: number of threads that read.
        writers: number of threads that write.
    """

    def __init__(
        self,
        model: Model,
        outputs: Outputs,
        *,
        draw: Callable[[], Task],
        report: Callable[[Failure], None],
        batch_size: int,
        readers: int,
        writers: int,
    ) -> None:
        self.clock = Clock()
        self.done = 0
        self.current = ""
        self.progressed = time.monotonic()
        self._model = model
        self._outputs = outputs
        self._draw = draw
        self._report = report
        self._readers = readers
        self._writers = writers
        self._batch_size = batch_size or (1 if model.device.type == "cpu" else 0)
        self._drawing = threading.Lock()
        self._drawn_out = False
        self._stopped = threading.Event()
        self._ready: queue.Queue[_Ready | BaseException | None] = queue.Queue(
            max(readers, self._batch_size or _LARGEST_BATCH)
        )
        self._writing = threading.BoundedSemaphore(2 * writers + max(self._batch_size, 1))
        self._failure: BaseException | None = None
        self._counting = threading.Lock()

    def stop(self) -> None:
        """End as soon as what is under way is written."""
        self._stopped.set()

    def run(self) -> None:
        """Work until there are no tasks left, or `stop` is called.

        Raises:
            BddsegError: a result cannot be written.
        """
        readers = [
            threading.Thread(target=self._read_all, name=f"reader-{number}", daemon=True)
            for number in range(self._readers)
        ]
        for reader in readers:
            reader.start()
        try:
            with ThreadPoolExecutor(self._writers, "writer") as pool:
                for batch in self._collect_batches():
                    self._segment(batch, pool)
                    if self._failure:
                        break
            if self._failure:
                raise self._failure
        finally:
            self.stop()

    def _read_all(self) -> None:
        try:
            while not self._stopped.is_set():
                task = self._draw_next()
                if not task:
                    break
                self._read(task)
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _draw_next(self) -> Task:
        """Return the next task; after the last one, empty ones, to every reader."""
        with self._drawing:
            if self._drawn_out:
                return []
            task = self._draw()
            self._drawn_out = not task
            return task

    def _read(self, task: Task) -> None:
        frames = read_frames(task)
        while not self._stopped.is_set():
            with self.clock.time("read"):
                ref, frame = next(frames, (None, None))
            if ref is None:
                return
            if ref.twin:
                frame = describe_twin(ref)
            if isinstance(frame, BddsegError):
                self._report(Failure(frame=describe_ref(ref), error=str(frame)))
                self._progress(ref)
            elif frame is not None:
                with self.clock.time("prepare"):
                    prepared = self._model.prepare(frame)
                kept = frame if self._outputs.needs_frame else None
                self._put(_Ready(ref, prepared, kept))

    def _put(self, item: _Ready | BaseException | None) -> None:
        while True:
            try:
                self._ready.put(item, timeout=_WAIT_S)
                return
            except queue.Full:
                if self._stopped.is_set():
                    return

    def _collect_batches(self) -> Iterator[list[_Ready]]:
        """Yield frames of one shape, as many as the network takes, or fewer at the end."""
        pending: defaultdict[object, list[_Ready]] = defaultdict(list)
        reading = self._readers
        while reading and not self._stopped.is_set():
            try:
                item = self._ready.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if isinstance(item, BaseException):
                raise item
            if item is None:
                reading -= 1
                continue
            group = pending[item.prepared.shape]
            group.append(item)
            size = max(self._batch_size, 1)
            if len(group) >= size:
                yield pending.pop(item.prepared.shape)
            # Frames of many sizes must not pile up while each waits for company.
            elif sum(map(len, pending.values())) >= 2 * size:
                yield pending.pop(max(pending, key=lambda shape: len(pending[shape])))
        if not self._stopped.is_set():
            yield from pending.values()

    def _segment(self, batch: list[_Ready], pool: ThreadPoolExecutor) -> None:
        self.current = describe_ref(batch[0].ref)
        try:
            with self.clock.time("network"):
                labels = self._run_network(batch)
        except torch.cuda.OutOfMemoryError as error:
            self._shrink(batch, pool, error)
            return
        for item, each in zip(batch, labels, strict=True):
            self._writing.acquire()
            pool.submit(self._write, item, each)

    def _run_network(self, batch: list[_Ready]) -> Tensor:
        prepared = [item.prepared for item in batch]
        if self._batch_size:
            return self._model.segment(prepared)
        device = self._model.device
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        labels = self._model.segment(prepared)
        one = max(torch.cuda.max_memory_allocated(device) - before, 1)
        free = torch.cuda.mem_get_info(device)[0] * _MEMORY_SHARE
        self._batch_size = max(1, min(_LARGEST_BATCH, int(free / one)))
        return labels

    def _shrink(self, batch: list[_Ready], pool: ThreadPoolExecutor, error: Exception) -> None:
        """Run a batch that did not fit into memory in halves, and later ones no larger."""
        torch.cuda.empty_cache()
        if len(batch) == 1:
            text = f"{describe_ref(batch[0].ref)} does not fit into the GPU's memory: {error}"
            self._report(Failure(frame=describe_ref(batch[0].ref), error=text))
            return
        self._batch_size = len(batch) // 2
        while batch:
            part, batch = batch[: self._batch_size], batch[self._batch_size :]
            self._segment(part, pool)

    def _write(self, item: _Ready, labels: Tensor) -> None:
        try:
            # Here, and not in the network's thread, the GPU is waited for.
            with self.clock.time("download"):
                array = labels.cpu().numpy()
            with self.clock.time("write"):
                self._outputs.write(item.ref, array, item.frame)
            # Counted in the same call: an interrupt can come between any two of the network's.
            with self._counting:
                self.done += 1
            self._progress(item.ref)
        except BaseException as error:
            self._failure = error
            self.stop()
        finally:
            self._writing.release()

    def _progress(self, ref: FrameRef) -> None:
        self.progressed = time.monotonic()
        self.current = describe_ref(ref)


def describe_ref(ref: FrameRef) -> str:
    """Return how a frame is named to people."""
    return str(ref.path) if ref.index is None else f"{ref.path}, frame {ref.index}"

"""One worker's pipeline: reading, the network, and writing overlap; what waits is bounded.

Reader threads claim work items, read frames and prepare them; the calling thread runs the network,
or several threads do, each for frames of its own; writer threads encode and write. The queues
between them have a fixed length, so memory does not grow with the number of frames, and the slowest
stage sets the pace of all.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from bddseg.data.sources.source import FrameRef, Source
from bddseg.errors import BddsegError
from bddseg.inference.download import Download
from bddseg.inference.images import Inputs
from bddseg.inference.manifest import Outcome, WorkItem
from bddseg.inference.predictor import Predictor
from bddseg.inference.smoothing import Smoother, Thumbnail, make_thumbnail
from bddseg.inference.stopwatch import Stopwatch
from bddseg.inference.writers.writer import RunWriters
from bddseg.record import Failure
from bddseg.types import Image

_WAIT_S = 0.05
# A thread that Python ends within a library at exit takes the process with it.
_JOIN_TIMEOUT_S = 30.0
# A GPU is at its best with large batches, but beyond this there is little to gain.
_MAX_BATCH_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where a pipeline gets its frames, and how it reports on them; for any thread.

    Attributes:
        source: Reads frames.
        claim: Returns the next work item; one without frames if there may be others later, and None
            at the end.
        is_done: Returns whether a frame's results are there already.
        complete: Takes an outcome whose frames are all dealt with.
    """

    source: Source
    claim: Callable[[], WorkItem | None]
    is_done: Callable[[FrameRef], bool]
    complete: Callable[[Outcome], object]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A frame that was read and prepared."""

    ref: FrameRef
    outcome: Outcome
    inputs: Inputs
    image: Image | None
    thumbnail: Thumbnail | None


class Pipeline:
    """The stages of one worker.

    Args:
        predictor: Runs the network.
        writers: Write the results.
        work: Where frames come from.
        batch_size: Maximum number of images that the network gets at a time; 0 measures it.
        num_parallel: Number of batches that are computed in parallel, in threads.
        num_io_threads: Number of threads that read, and of threads that write.
        smooth: Weight of the newest frame in the average of logits over time. Below 1, one thread
            reads, the network gets one image at a time, nothing is computed in parallel, and each
            work item is a whole sequence, which is done again if one of its frames has no result.
        pad_batches: Fill the batches that are not full, so that all have one shape.
    """

    def __init__(
        self,
        predictor: Predictor,
        writers: RunWriters,
        work: Work,
        *,
        batch_size: int,
        num_parallel: int = 1,
        num_io_threads: int,
        smooth: float = 1.0,
        pad_batches: bool = False,
    ) -> None:
        self.stopwatch = Stopwatch()
        self.done = 0
        self.skipped = 0
        self.current = ""
        self._last_progress = time.monotonic()
        self._num_open = 0
        self._predictor = predictor
        self._writers = writers
        self._work = work
        self._num_threads = num_io_threads
        self._num_parallel = num_parallel
        self._smoother = Smoother(predictor, smooth) if smooth < 1 else None
        self._num_readers = 1 if self._smoother else num_io_threads
        self._batch_size = batch_size or (1 if predictor.device.type == "cpu" else 0)
        if self._smoother:
            self._batch_size = 1
        self._pad_batches = pad_batches
        self._stopped = threading.Event()
        # While the device computes one batch, another is read and two are written.
        num_waiting = max(
            num_io_threads, self._num_parallel * (self._batch_size or _MAX_BATCH_SIZE)
        )
        self._ready: queue.Queue[_Ready | BaseException | None] = queue.Queue(num_waiting)
        self._write_slots = threading.BoundedSemaphore(2 * num_waiting)
        self._failure: BaseException | None = None
        self._count_lock = threading.Lock()

    def stop(self) -> None:
        """End as soon as what is in progress is written."""
        self._stopped.set()

    @property
    def idle_s(self) -> float:
        """Seconds since the last frame was dealt with, if there are any to deal with."""
        return time.monotonic() - self._last_progress if self._num_open else 0.0

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def run(self) -> None:
        """Process work items until there are none left or `stop` is called.

        Raises:
            BddsegError: a result cannot be written.
        """
        readers = [
            threading.Thread(target=self._read_all, name=f"reader-{number}", daemon=True)
            for number in range(self._num_readers)
        ]
        for reader in readers:
            reader.start()
        try:
            with ThreadPoolExecutor(self._num_threads, "writer") as pool:
                self._process_all(pool)
        finally:
            self.stop()
            for reader in readers:
                reader.join(_JOIN_TIMEOUT_S)
        if self._failure:
            raise self._failure

    def _process_all(self, pool: ThreadPoolExecutor) -> None:
        if self._num_parallel == 1:
            for batch in self._collect_batches():
                self._process(batch, pool)
            return
        batches, lock = self._collect_batches(), threading.Lock()

        def process() -> None:
            try:
                while True:
                    with lock:
                        batch = next(batches, None)
                    if batch is None:
                        return
                    self._process(batch, pool)
            except BaseException as error:
                self._failure = self._failure or error
                self.stop()

        threads = [
            threading.Thread(target=process, name=f"network-{number}", daemon=True)
            for number in range(self._num_parallel)
        ]
        for thread in threads:
            thread.start()
        try:
            # With a timeout, so that Ctrl-C gets through.
            for thread in threads:
                while thread.is_alive():
                    thread.join(_WAIT_S)
        finally:
            self.stop()
            for thread in threads:
                thread.join(_JOIN_TIMEOUT_S)

    def _read_all(self) -> None:
        try:
            while not self.is_stopped and (item := self._work.claim()):
                if item.refs:
                    self._read(item)
                else:
                    self._stopped.wait(_WAIT_S)
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _read(self, item: WorkItem) -> None:
        outcome = Outcome(number=item.number, left=len(item.refs))
        todo = [ref for ref in item.refs if not self._work.is_done(ref)]
        if self._smoother and todo:
            # Each result depends on the frames before.
            todo = item.refs
        with self._count_lock:
            if not self._num_open:
                self._last_progress = time.monotonic()
            self._num_open += 1
        self._settle(outcome, skipped=len(item.refs) - len(todo))
        frames = self._work.source.read(todo)
        for expected in todo:
            if self.is_stopped:
                return
            with self.stopwatch.time("read"):
                ref, image = next(frames, (expected, BddsegError(f"{expected} cannot be read.")))
            if isinstance(image, BddsegError):
                self._fail(ref, outcome, str(image))
                continue
            with self.stopwatch.time("preprocess"):
                inputs = self._predictor.prepare(image)
                thumbnail = make_thumbnail(image) if self._smoother else None
            kept = image if self._writers.needs_image else None
            self._put(_Ready(ref, outcome, inputs, kept, thumbnail))

    def _put(self, item: _Ready | BaseException | None) -> None:
        while True:
            try:
                self._ready.put(item, timeout=_WAIT_S)
                return
            except queue.Full:
                if self.is_stopped:
                    return

    def _collect_batches(self) -> Iterator[list[_Ready]]:
        """Yield frames of one shape, as many as the network gets, or fewer at the end."""
        pending: defaultdict[object, list[_Ready]] = defaultdict(list)
        reading = self._num_readers
        while reading and not self.is_stopped:
            try:
                item = self._ready.get(timeout=_WAIT_S)
            except queue.Empty:
                # Frames that have no others to wait for are not kept waiting.
                if pending:
                    yield pending.pop(next(iter(pending)))
                continue
            if isinstance(item, BaseException):
                raise item
            if item is None:
                reading -= 1
                continue
            group = pending[item.inputs.shape]
            group.append(item)
            size = max(self._batch_size, 1)
            if len(group) >= size:
                yield pending.pop(item.inputs.shape)
            # Frames of many sizes must not pile up while each waits for others of its size.
            elif sum(map(len, pending.values())) >= 2 * size:
                yield pending.pop(max(pending, key=lambda shape: len(pending[shape])))
        if not self.is_stopped:
            yield from pending.values()

    def _process(self, batch: list[_Ready], pool: ThreadPoolExecutor) -> None:
        self.current = str(batch[0].ref)
        try:
            with self.stopwatch.time("network"):
                outputs = self._predict(batch)
        except Exception as error:
            if not self._predictor.runtime.is_out_of_memory(error):
                raise
            cause = str(error)
        else:
            for number, item in enumerate(batch):
                self._write_slots.acquire()
                kept = self._writers.needs_logits
                own = [(labels, logits[number] if kept else None) for logits, labels in outputs]
                pool.submit(self._write, item, number, own)
            return
        # Outside of `except`, where the traceback would keep the failed activations.
        self._process_in_parts(batch, pool, cause)

    def _predict(self, batch: list[_Ready]) -> list[tuple[Tensor, Download]]:
        inputs = [item.inputs for item in batch]
        first = batch[0]
        if self._smoother and first.thumbnail is not None:
            return self._decide(
                self._smoother.compute_logits(first.inputs, first.thumbnail, first.ref.name), inputs
            )
        if not self._batch_size:
            self._batch_size = self._predictor.runtime.measure_batch_size(
                lambda: self._infer(inputs[:1]), _MAX_BATCH_SIZE
            )
        return self._infer(inputs)

    def _infer(self, inputs: Sequence[Inputs]) -> list[tuple[Tensor, Download]]:
        if self._pad_batches:
            inputs = [*inputs, *[inputs[-1]] * (self._batch_size - len(inputs))]
        return self._decide(self._predictor.compute_logits(inputs), inputs)

    def _decide(
        self, outputs: Sequence[Tensor], inputs: Sequence[Inputs]
    ) -> list[tuple[Tensor, Download]]:
        """Return the logits and the class ids of each task."""
        size_hw = inputs[0].size_hw
        return [(logits, Download(self._predictor.argmax(logits, size_hw))) for logits in outputs]

    def _process_in_parts(self, batch: list[_Ready], pool: ThreadPoolExecutor, cause: str) -> None:
        """Run a batch that did not fit into memory in halves, and later ones no larger."""
        if len(batch) == 1:
            (item,) = batch
            error = f"{item.ref} does not fit into the device's memory: {cause}"
            self._fail(item.ref, item.outcome, error)
            return
        self._batch_size = len(batch) // 2
        while batch:
            # A part may shrink the batch size further.
            part, batch = batch[: self._batch_size], batch[self._batch_size :]
            self._process(part, pool)

    def _write(
        self, item: _Ready, number: int, outputs: list[tuple[Download, Tensor | None]]
    ) -> None:
        """Write an image's results; it has that number in its batch."""
        try:
            # The GPU is waited for here, not in the network's thread.
            with self.stopwatch.time("download"):
                try:
                    predictions = [
                        self._predictor.finish(
                            item.inputs,
                            labels.wait()[number],
                            logits,
                            task=task,
                            image=item.image,
                            name=item.ref.name,
                        )
                        for task, (labels, logits) in zip(
                            self._predictor.tasks, outputs, strict=True
                        )
                    ]
                except BddsegError as error:
                    self._fail(item.ref, item.outcome, str(error))
                    return
            with self.stopwatch.time("write"):
                self._writers.write(item.ref, predictions)
            self._settle(item.outcome, done=1)
            self.current = str(item.ref)
        except BaseException as error:
            self._failure = error
            self.stop()
        finally:
            self._write_slots.release()

    def _fail(self, ref: FrameRef, outcome: Outcome, error: str) -> None:
        self._settle(outcome, failures=[Failure(frame=str(ref), error=error)])

    def _settle(
        self, outcome: Outcome, *, done: int = 0, skipped: int = 0, failures: Sequence[Failure] = ()
    ) -> None:
        """Take in that frames of a work item are dealt with."""
        with self._count_lock:
            self._last_progress = time.monotonic()
            self.done += done
            self.skipped += skipped
            outcome.done += done
            outcome.skipped += skipped
            outcome.failures.extend(failures)
            outcome.left -= done + skipped + len(failures)
            if outcome.left:
                return
            self._num_open -= 1
        self._work.complete(outcome)

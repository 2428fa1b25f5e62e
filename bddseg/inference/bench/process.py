"""The process that runs one configuration, and times it when the other one asks.

A process of its own has the settings, the memory and the threads of an own run, whatever else is
measured beside it.
"""

import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch
from torch import Tensor

from bddseg.data.sources.source import FrameRef, group_frames, open_source
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.distributed.frame_processor import FrameProcessor
from bddseg.inference.distributed.messages import Claim, Message, Reply
from bddseg.inference.distributed.rank import RankInfo
from bddseg.inference.images import Inputs
from bddseg.inference.manifest import WorkItem
from bddseg.inference.memory import get_peak_memory_mb, keep_freed_memory
from bddseg.inference.predictor import Predictor
from bddseg.inference.run import RunSpec
from bddseg.inference.runtimes.runtime import RUNTIMES
from bddseg.inference.threads import get_num_parallel, get_num_threads, restore_num_threads
from bddseg.inference.writers.mask import MaskWriter
from bddseg.types import Image

# Of each frame size there is at least one.
_WARM_UP_BATCHES = 3
# Later than any file: no result counts as there already.
_NEVER_DONE_NS = 2**63

_Frame = tuple[FrameRef, Image, float]
T = TypeVar("T")
R = TypeVar("R")


class BenchProcess:
    """A model that is ready to be timed.

    Args:
        spec: The run that it would be; masks go to its folder.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._batch_size = spec.execution.batch_size
        self._predictor = FrameProcessor(spec, RankInfo(), _end).load()
        num_parallel = get_num_parallel()
        self._pool = ThreadPoolExecutor(num_parallel) if num_parallel > 1 else None
        self._writer = MaskWriter(spec.out, self._predictor.task, spec.source)
        self._source = open_source(spec.source, spec.selection)
        self._refs = list(self._source.items())
        self._sizes: Counter[str] = Counter()
        self._first: dict[str, _Frame] = {}
        self._warm_up()
        self._batches = self._collect_batches()

    def describe(self) -> dict[str, Any]:
        """Return where it runs, what else there is, the frames' sizes and the memory's peak."""
        device = self._predictor.device
        peak = {"process": get_peak_memory_mb()}
        if device.type == "cuda":
            peak["gpu"] = torch.cuda.max_memory_allocated(device) / 2**20
        return {
            "runtime": self._runtime_name,
            "device": str(device),
            "num_threads": get_num_threads(),
            "runtimes": RUNTIMES.list_names(),
            "sizes": dict(self._sizes),
            "peak_memory_mb": {name: round(size, 1) for name, size in peak.items() if size},
        }

    def time_batches(self, count: int) -> list[list[float]]:
        """Return the seconds of each stage, for each of the next batches."""
        return [self._time(next(self._batches)) for _ in range(count)]

    def run(self, seconds: float) -> float:
        """Return the frames per second of a run that goes through all frames for so long.

        With a batch size of 1, it has as many frames at a time as runs have by default.
        """
        start, done = 0.0, 0

        def exchange(message: Message) -> Reply:
            nonlocal done
            over = done and time.perf_counter() - start > seconds
            if over or not isinstance(message, Claim):
                return Reply(state="end")
            done += len(self._refs)
            item = WorkItem(number=0, refs=self._refs)
            return Reply(state="work", item=item, since_ns=_NEVER_DONE_NS)

        predictor, num_parallel = self._predictor, get_num_parallel()
        execution = replace(self._spec.execution, runtime=self._runtime_name)
        if self._batch_size == 1 and predictor.device.type == "cpu":
            execution = replace(execution, batch_size=0)
        processor = FrameProcessor(replace(self._spec, execution=execution), RankInfo(), exchange)
        with restore_num_threads():
            processor.share_threads()
            if get_num_parallel() != num_parallel:
                predictor = self._load(processor)
                for _, image, _ in self._first.values():
                    predictor.compute_logits([predictor.prepare(image)])
            start = time.perf_counter()
            processor.process(predictor)
            return done / (time.perf_counter() - start)

    @property
    def _runtime_name(self) -> str:
        """Name of the runtime, of those that `auto` chooses between too."""
        return getattr(self._predictor.runtime, "chosen", "") or self._spec.execution.runtime

    def _load(self, processor: FrameProcessor) -> Predictor:
        """Load the same model again, without its warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BddsegWarning)
            return processor.load()

    def _warm_up(self) -> None:
        """Read all frames once, from here on from memory, and run one of each size."""
        for ref, image, seconds in self._read_all():
            size = f"{image.shape[0]}x{image.shape[1]}"
            self._sizes[size] += 1
            self._first.setdefault(size, (ref, image, seconds))
        for frame in [*self._first.values()] * max(1, _WARM_UP_BATCHES // len(self._first)):
            self._time([frame] * self._batch_size)

    def _read_all(self) -> Iterator[_Frame]:
        """Yield each frame, and the seconds that decoding it took."""
        for group in group_frames(self._refs, 1):
            frames = self._source.read(group)
            for _ in group:
                start = time.perf_counter()
                ref, image = next(frames)
                if isinstance(image, BddsegError):
                    raise image
                yield ref, image, time.perf_counter() - start

    def _collect_batches(self) -> Iterator[list[_Frame]]:
        """Yield batches of frames of one size, without end."""
        pending: defaultdict[tuple[int, ...], list[_Frame]] = defaultdict(list)
        while True:
            for frame in self._read_all():
                shape = frame[1].shape
                pending[shape].append(frame)
                if len(pending[shape]) == self._batch_size:
                    yield pending.pop(shape)

    def _time(self, batch: Sequence[_Frame]) -> list[float]:
        """Return the seconds of each stage."""
        predictor = self._predictor

        def compute_logits(inputs: list[Inputs]) -> Tensor:
            return predictor.compute_logits(inputs)[0]

        def argmax(logits: Tensor) -> Tensor:
            return predictor.argmax(logits, inputs[0].size_hw)

        def finish(number: int) -> object:
            prediction = predictor.finish(inputs[number], labels[number], None)
            return self._writer.encode(batch[number][0], prediction)

        marks = [time.perf_counter()]
        try:
            inputs = self._map(predictor.prepare, [image for _, image, _ in batch])
            marks.append(time.perf_counter())
            groups = [[each] for each in inputs] if self._pool else [inputs]
            logits = self._map(compute_logits, groups)
            marks.append(self._wait())
            labels = torch.cat(self._map(argmax, logits))
            marks.append(self._wait())
        except Exception as error:
            if not predictor.runtime.is_out_of_memory(error):
                raise
            message = f"{len(batch)} frames at a time do not fit into the device's memory."
            raise BddsegError(message, "Use a smaller --batch-size.") from error
        self._map(finish, range(len(batch)))
        marks.append(time.perf_counter())
        return [sum(seconds for _, _, seconds in batch), *(end - at for at, end in pairwise(marks))]

    def _map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return [*(self._pool.map if self._pool else map)(function, items)]

    def _wait(self) -> float:
        """Return the time when the device has done what it was asked for."""
        if self._predictor.device.type == "cuda":
            torch.cuda.synchronize(self._predictor.device)
        return time.perf_counter()


def _end(_message: Message) -> Reply:
    return Reply(state="end")


def main() -> None:
    """Load what the other process sends, then do what it asks for until it ends."""
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    keep_freed_memory()
    subject: BenchProcess | None = None
    try:
        while True:
            name, *arguments = connection.recv()
            reply: Any
            try:
                if name == "load":
                    subject, reply = _load(*arguments)
                else:
                    reply = getattr(subject, name)(*arguments)
            except BddsegError as error:
                reply = error
            connection.send(reply)
    except (EOFError, OSError):
        return


def _load(spec: RunSpec) -> tuple[BenchProcess, list[str]]:
    """Return what is to be timed, and the warnings about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        subject = BenchProcess(spec)
    found = (str(each.message) for each in caught if issubclass(each.category, BddsegWarning))
    return subject, [*found]


if __name__ == "__main__":
    main()

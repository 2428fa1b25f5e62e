"""What a worker does in a run: it loads the model, and processes work items."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress

import torch

from bddseg.data.sources.source import open_source
from bddseg.errors import BddsegError
from bddseg.inference.distributed.connection import WorkerEndedError
from bddseg.inference.distributed.messages import Claim, Disconnect, Heartbeat, Message, Reply
from bddseg.inference.distributed.rank import RankInfo
from bddseg.inference.manifest import WorkItem
from bddseg.inference.memory import get_peak_memory_mb
from bddseg.inference.parallel import choose_num_parallel
from bddseg.inference.pipeline import Pipeline, Work
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.run import RunSpec
from bddseg.inference.runtimes.runtime import RUNTIMES
from bddseg.inference.runtimes.torch import choose_device
from bddseg.inference.threads import get_num_threads, set_num_threads
from bddseg.inference.writers.writer import RunWriters
from bddseg.record import WorkerStats
from bddseg.tasks.task import get_task

# A frame may take this many times as long as a heartbeat, and loading and the first frame this
# many times: nothing else tells a slow network from one that never returns.
_FRAME_FACTOR = 10
_FIRST_FRAME_FACTOR = 30
_TTA_FACTOR = 17
# Frames that a CPU computes while one thread reads as many, and another writes them.
_FRAMES_PER_READER = 4


class FrameProcessor:
    """Processes a worker's frames; `exchange` sends a message to the coordinator for its reply."""

    def __init__(self, spec: RunSpec, rank: RankInfo, exchange: Callable[[Message], Reply]) -> None:
        self._spec = spec
        self._rank = rank
        self._exchange = exchange
        self._created_s = time.monotonic()
        self._pipeline: Pipeline | None = None
        self._device = ""
        self._num_threads = 0
        self._num_parallel = 1
        self._is_stopped = self._is_hanging = False
        self._since_ns = 0
        self.is_finished = False

    def load(self) -> Predictor:
        """Return the model, on this worker's device.

        Raises:
            BddsegError: it cannot be loaded.
        """
        execution = self._spec.execution
        self.share_threads()
        return load_model(
            self._spec.entry,
            weights=self._spec.weights,
            task=self._spec.tasks,
            runtime=execution.runtime,
            device=self._choose_device(),
            precision=execution.precision,
            compile=execution.compile,
            tta=execution.tta,
        )

    def share_threads(self) -> None:
        """Share the threads among the frames that are computed in parallel."""
        num_threads, rank = self._spec.execution.num_threads, self._rank
        is_alone = rank.local_world_size == 1
        self._num_threads = num_threads or (get_num_threads() if is_alone else rank.num_cores)
        self._num_parallel = choose_num_parallel(self._spec, self._num_threads)
        set_num_threads(self._num_threads, num_parallel=self._num_parallel)

    def _choose_device(self) -> str:
        execution = self._spec.execution
        names = RUNTIMES.load(execution.runtime).list_devices()
        # Only torch's GPUs are shared out among workers.
        if any(name.startswith("cuda") for name in names):
            return choose_device_of(self._rank, execution.device)
        return execution.device

    def process(self, predictor: Predictor) -> None:
        """Process work items until there are none left or `stop` is called, in the main thread.

        There Ctrl-C gets through: between two layers of a large network, which is computed in this
        thread, and after the frames that are computed in parallel.

        Raises:
            BddsegError: the run cannot go on.
        """
        spec = self._spec
        writers = RunWriters(spec.out, spec.formats, [*map(get_task, spec.tasks)], spec.source)
        work = Work(
            source=open_source(spec.source, spec.selection, exclude=spec.out),
            claim=self._claim,
            is_done=lambda ref: writers.is_done(ref, self._since_ns),
            complete=self._exchange,
        )
        execution, num_parallel = spec.execution, self._num_parallel
        num_io_threads, batch_size = max(2, self._rank.num_cores // 2), execution.batch_size
        if predictor.device.type == "cpu":
            # The network has the cores, while a GPU wants many threads that decode and encode.
            num_io_threads = -(-num_parallel // _FRAMES_PER_READER)
            # Frames in parallel take the place of batches, except with compiled code.
            batch_size = batch_size if execution.compile else 1
        self._device = str(predictor.device)
        self._pipeline = Pipeline(
            predictor,
            writers,
            work,
            batch_size=batch_size,
            num_parallel=num_parallel,
            num_io_threads=num_io_threads,
            smooth=execution.smooth,
            pad_batches=execution.compile,
        )
        if self._is_stopped:
            self._pipeline.stop()
        try:
            self._pipeline.run()
        finally:
            self.is_finished = True
            # Of one that hangs, its frames are the possible cause.
            if not self._is_hanging:
                with suppress(BddsegError):
                    self.send_heartbeat()
                    self._exchange(Disconnect())

    def stop(self) -> None:
        """End as soon as what is in progress is written."""
        self._is_stopped = True
        if self._pipeline:
            self._pipeline.stop()

    def send_heartbeat(self) -> Reply:
        """Tell the coordinator what this worker does."""
        pipeline, device = self._pipeline, self._device
        peak = {"process": get_peak_memory_mb()}
        if device.startswith("cuda"):
            peak["gpu"] = torch.cuda.max_memory_allocated(device) / 2**20
        stats = WorkerStats(
            rank=self._rank.rank,
            host=platform.node(),
            pid=os.getpid(),
            device=device,
            num_threads=self._num_threads,
            num_parallel=self._num_parallel,
            done=pipeline.done if pipeline else 0,
            skipped=pipeline.skipped if pipeline else 0,
            seconds=pipeline.stopwatch.seconds if pipeline else {},
            peak_memory_mb={name: round(size, 1) for name, size in peak.items() if size},
        )
        return self._exchange(Heartbeat(stats, pipeline.current if pipeline else ""))

    @property
    def is_loaded(self) -> bool:
        """Whether the model is loaded."""
        return self._pipeline is not None

    def check(self) -> None:
        """Raise a `WorkerEndedError` if loading or the network takes too long to be merely slow."""
        started_s = time.monotonic() - self._created_s
        idle_s = self._pipeline.idle_s if self._pipeline else started_s
        has_frames = self._pipeline is not None and self._pipeline.done > 0
        factor = _FRAME_FACTOR if has_frames else _FIRST_FRAME_FACTOR
        if self._spec.execution.tta:
            factor *= _TTA_FACTOR
        if idle_s > factor * self._spec.launch.stall_timeout_s:
            self._is_hanging = True
            raise WorkerEndedError(
                f"Worker {self._rank.rank} (process {os.getpid()}) has finished no frame for "
                f"{idle_s:.0f} s.",
                "If that is no fault, use a longer --stall-timeout.",
            )

    def _claim(self) -> WorkItem | None:
        reply = self._exchange(Claim())
        self._since_ns = reply.since_ns
        if reply.state == "end":
            return None
        return reply.item or WorkItem(number=-1, refs=[])


def choose_device_of(rank: RankInfo, name: str) -> str:
    """Return the device of a worker: "cuda" without a number means the GPU of its local rank.

    Raises:
        BddsegError: there is no such device, or there are fewer than workers.
    """
    if choose_device(name).type != "cuda" or ":" in name:
        return name
    available = torch.cuda.device_count()
    if rank.shares_gpus:
        return f"cuda:{rank.local_rank % available}"
    if rank.local_rank >= available:
        raise BddsegError(
            f"{rank.local_world_size} GPUs were requested, and torch {torch.__version__} finds "
            f"{available}.",
            f"Use --gpus {available}, or --device cpu --workers N.",
        )
    return f"cuda:{rank.local_rank}"

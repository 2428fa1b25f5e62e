"""One worker of a run: its share of the frames, and its part in the whole.

`python -m bddseg.inference.distributed.worker FOLDER` is what torchrun starts for each worker.
"""

import os
import platform
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch.distributed import DistError

from bddseg.data.sources.source import FrameRef, open_source
from bddseg.errors import INTERRUPTED, BddsegError, BddsegWarning
from bddseg.inference.distributed.connect import Connection, connect_on_machine, connect_to_master
from bddseg.inference.distributed.coordinator import Coordinator, StalledError
from bddseg.inference.distributed.handover import Handover
from bddseg.inference.distributed.queue import Heartbeat, Plan, WorkQueue
from bddseg.inference.distributed.rank import RankInfo, read_rank_info
from bddseg.inference.manifest import MANIFEST_NAME, Manifest
from bddseg.inference.memory import get_peak_memory_mb, keep_freed_memory
from bddseg.inference.pipeline import Pipeline, Stopwatch, Work
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.run import RunSpec
from bddseg.inference.runtimes.torch import choose_device
from bddseg.inference.writers.writer import RunWriters
from bddseg.progress import NUM_CORES, Progress
from bddseg.record import RunRecord, Status, WorkerStats
from bddseg.tasks.task import get_task

# Windows has no SIGKILL: there, SIGTERM ends a process as surely.
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_TICK_S = 0.1
_DISCONNECT_TIMEOUT_S = 3.0


def run_worker(
    spec: RunSpec, rank: RankInfo, connection: Connection, progress: Progress
) -> RunRecord | None:
    """Do a worker's share of a run; return the record if its rank is 0, else None.

    Args:
        spec: What the run is asked to do.
        rank: Which worker this is.
        connection: To the store that all workers share.
        progress: Shows progress; used by the worker of rank 0.

    Raises:
        BddsegError: the run cannot be done; only the worker of rank 0 raises it.
        KeyboardInterrupt: it was interrupted; results so far are complete, and the record says so.
        SystemExit: torchrun has to restart the workers.
    """
    queue = WorkQueue(connection.store)
    try:
        return _Worker(spec, rank, queue, progress).run()
    except StalledError as error:
        if rank.world_size == 1:
            raise
        # torchrun restarts all workers, and would wait half a minute for the stalled one to end.
        progress.note(error.message)
        if error.heartbeat.host == platform.node():
            with suppress(OSError):
                os.kill(error.heartbeat.pid, _KILL)
        raise SystemExit(1) from error
    except BddsegError as error:
        queue.abort(error)
        if rank.rank == 0:
            raise
        return None
    except DistError as error:
        # The worker of rank 0 is dead, and its store with it: torchrun restarts all of them.
        raise SystemExit(f"Worker {rank.rank} has lost the one of rank 0: {error}") from error
    finally:
        # Nobody waits at a store that is gone.
        with suppress(DistError):
            queue.disconnect(rank.rank)
            if rank.rank == 0:
                queue.wait_for_disconnect(range(1, rank.world_size), _DISCONNECT_TIMEOUT_S)


class _Worker:
    def __init__(self, spec: RunSpec, rank: RankInfo, queue: WorkQueue, progress: Progress) -> None:
        self._spec = spec
        self._rank = rank
        self._queue = queue
        self._stopwatch = Stopwatch()
        self._num_heartbeats = 0
        self._parent = os.getppid()
        self._device = ""
        self._pipeline: Pipeline | None = None
        self._writers = RunWriters(spec.out, spec.formats, get_task(spec.task), spec.source)
        self._source = open_source(spec.source, spec.selection, exclude=spec.out)
        if self._source.is_live:
            raise BddsegError(
                f"{spec.source} is a live source: its frames cannot be listed.",
                "Use load_model(...).stream(source).",
            )
        self._coordinator: Coordinator | None = None
        if rank.rank == 0:
            self._coordinator = Coordinator(
                spec,
                queue,
                self._writers,
                world_size=rank.world_size,
                restarts=rank.restarts,
                progress=progress,
            )

    def run(self) -> RunRecord | None:
        watcher = _Watcher(self._tick, self._stop)
        watcher.start()
        try:
            # First, so that nothing is written for a model that cannot be loaded.
            with self._stopwatch.time("load"):
                predictor = self._load()
            self._device = str(predictor.device)
            if self._coordinator is None:
                self._work(predictor, watcher)
                return None
            self._coordinator.start(self._source)
            return self._coordinate(self._coordinator, predictor, watcher)
        finally:
            watcher.end()

    def _coordinate(
        self, coordinator: Coordinator, predictor: Predictor, watcher: "_Watcher"
    ) -> RunRecord:
        status: Status = "failed"
        error = ""
        try:
            with self._stopwatch.time("run"):
                self._work(predictor, watcher)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except BddsegError as failure:
            error = str(failure)
            raise
        finally:
            watcher.end()
            record = coordinator.finish(status, self._device, self._stopwatch.seconds, error)
        return record

    def _work(self, predictor: Predictor, watcher: "_Watcher") -> None:
        plan = self._queue.wait_for_plan(lambda: watcher.failure is not None)
        if plan:
            self._process(predictor, plan)
        while self._coordinator and not (self._coordinator.all_finished() or watcher.failure):
            time.sleep(_TICK_S / 5)
        if watcher.failure:
            raise watcher.failure

    def _load(self) -> Predictor:
        execution, rank = self._spec.execution, self._rank
        device = execution.device
        if choose_device(device).type == "cuda" and ":" not in device:
            device = f"cuda:{rank.local_rank}"
        if rank.local_world_size > 1:
            torch.set_num_threads(max(1, NUM_CORES // rank.local_world_size))
        return load_model(
            self._spec.entry,
            weights=self._spec.weights,
            task=execution.task,
            runtime=execution.runtime,
            device=device,
            precision=execution.precision,
            tta=execution.tta,
        )

    def _process(self, predictor: Predictor, plan: Plan) -> None:
        """Process work items until there are none left, in the main thread.

        There Ctrl-C gets through between two layers of the network, and OpenMP is at its best where
        only one thread ever asks it for others.
        """
        with Manifest(self._spec.out / MANIFEST_NAME) as manifest:
            self._process_items(predictor, plan, manifest)

    def _process_items(self, predictor: Predictor, plan: Plan, manifest: Manifest) -> None:
        def claim() -> list[FrameRef]:
            number = self._queue.claim(plan)
            return [] if number is None else manifest.read(number)

        work = Work(
            source=self._source,
            claim=claim,
            is_done=lambda ref: self._writers.is_done(ref, plan.first_written_ns),
            report=self._queue.report_failure,
        )
        # On a CPU the network has the cores; a GPU wants many threads that decode and encode.
        cores = NUM_CORES // self._rank.local_world_size
        self._pipeline = Pipeline(
            predictor,
            self._writers,
            work,
            batch_size=self._spec.execution.batch_size,
            num_io_threads=1 if predictor.device.type == "cpu" else max(2, cores // 2),
        )
        try:
            self._pipeline.run()
        finally:
            self._queue.finish(self._describe(self._pipeline))

    def _stop(self) -> None:
        if self._pipeline:
            self._pipeline.stop()

    def _tick(self) -> None:
        self._num_heartbeats += 1
        pipeline = self._pipeline
        self._queue.send_heartbeat(
            Heartbeat(
                rank=self._rank.rank,
                host=platform.node(),
                pid=os.getpid(),
                count=self._num_heartbeats,
                done=pipeline.done if pipeline else 0,
                skipped=pipeline.skipped if pipeline else 0,
                idle_s=time.monotonic() - pipeline.last_progress if pipeline else 0.0,
                frame=pipeline.current if pipeline else "",
            )
        )
        error = self._queue.read_abort()
        if error:
            raise error
        if self._coordinator and self._coordinator.is_started:
            self._coordinator.watch()
        if self._rank.world_size > 1 and os.getppid() != self._parent:
            # The process that started this worker was killed, and nobody else would stop it.
            raise KeyboardInterrupt

    def _describe(self, pipeline: Pipeline) -> WorkerStats:
        peak = {"process": get_peak_memory_mb()}
        if self._device.startswith("cuda"):
            peak["gpu"] = torch.cuda.max_memory_allocated(self._device) / 2**20
        return WorkerStats(
            rank=self._rank.rank,
            host=platform.node(),
            pid=os.getpid(),
            device=self._device,
            done=pipeline.done,
            skipped=pipeline.skipped,
            seconds=pipeline.stopwatch.seconds,
            peak_memory_mb={name: round(size, 1) for name, size in peak.items() if size},
        )


class _Watcher(threading.Thread):
    """Calls a function every moment; if it fails, keeps the error and calls another."""

    def __init__(self, tick: Callable[[], None], on_failure: Callable[[], None]) -> None:
        super().__init__(name="watcher", daemon=True)
        self.failure: BaseException | None = None
        self._tick = tick
        self._on_failure = on_failure
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            while not self._ended.wait(_TICK_S):
                self._tick()
        except BaseException as error:
            self.failure = error
            self._on_failure()

    def end(self) -> None:
        """Stop calling the function."""
        self._ended.set()
        if self.is_alive():
            self.join()


def main(folder: Path) -> None:
    """Be a worker of the run that is described in a folder."""
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    handover = Handover(folder)
    spec = handover.read_spec()
    rank = read_rank_info(os.environ) or RankInfo()
    if rank.rank > 0:
        # Warnings about plugins are shown once.
        warnings.simplefilter("ignore", BddsegWarning)
    timeout_s = spec.launch.stall_timeout_s
    connection = (
        connect_on_machine(folder, rank, timeout_s)
        if spec.launch.num_nodes == 1
        else connect_to_master(os.environ, rank, timeout_s)
    )
    try:
        run_worker(spec, rank, connection, handover)
    except BddsegError as error:
        # The launcher raises it, once; restarting would not help.
        handover.write_error(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        # torchrun may still signal a worker that has nothing left to do.
        _ignore_signals()


def _interrupt(*_signal: object) -> None:
    # The first signal counts: what this worker holds is then written undisturbed.
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

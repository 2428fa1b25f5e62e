"""One worker of a run: its share of the frames, and its part in the whole."""

import os
import platform
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch.distributed import DistError, Store

from bddseg.engine.board import Beat, Board
from bddseg.engine.coordinator import Coordinator, StalledError
from bddseg.engine.job import Job, Record, WorkerStats
from bddseg.engine.model import Model, choose_device, load_model
from bddseg.engine.outputs import Outputs
from bddseg.engine.pipeline import Clock, Pipeline
from bddseg.errors import BddsegError
from bddseg.progress import Display
from bddseg.tasks import get_task

_TICK_S = 0.1
_PATIENCE_S = 3.0
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A worker's place among all.

    Attributes:
        rank: its number, counted over all machines.
        world: how many there are.
        local_rank: its number on its machine.
        local_world: how many there are on its machine.
        restarts: how often workers were started again before.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1
    restarts: int = 0


def run_worker(
    job: Job, place: Place, connect: Callable[[], Store], display: Display
) -> Record | None:
    """Do a worker's share of a job; return the record if it is the first, else None.

    Args:
        job: what to do.
        place: which worker this is.
        connect: gives a store that all workers share.
        display: shows how far the run is; used by the first worker.

    Raises:
        BddsegError: the run cannot be done; only the first worker raises it.
        KeyboardInterrupt: it was interrupted; results so far are whole, and the record says so.
    """
    board = Board(connect)
    try:
        return _Worker(job, place, board, display).run()
    except StalledError as error:
        # Ended in disorder, so that torchrun ends the one that stalls, and starts all again.
        display.note(error.message)
        raise SystemExit(1) from error
    except BddsegError as error:
        board.abort(error)
        if place.rank == 0:
            raise
        return None
    except DistError as error:
        # The first worker is gone, and its board with it: torchrun starts all of them again.
        raise SystemExit(f"Worker {place.rank} has lost the first one: {error}") from error
    finally:
        # A board that is gone has nobody on it who could wait.
        with suppress(DistError):
            board.leave(place.rank)
            if place.rank == 0:
                board.wait_until_left(range(1, place.world), _PATIENCE_S)


class _Worker:
    def __init__(self, job: Job, place: Place, board: Board, display: Display) -> None:
        self._job = job
        self._place = place
        self._board = board
        self._clock = Clock()
        self._beats = 0
        self._parent = os.getppid()
        self._over = threading.Event()
        self._outputs = Outputs(job.out, job.formats, get_task(job.entry.task))
        self._coordinator: Coordinator | None = None
        if place.rank == 0:
            self._coordinator = Coordinator(
                job,
                board,
                self._outputs,
                workers=place.world,
                restarts=place.restarts,
                display=display,
            )

    def run(self) -> Record | None:
        with self._clock.time("load"):
            model = self._load()
        pipeline = self._make_pipeline(model)
        if self._coordinator:
            self._coordinator.start(str(model.device))
        status, error = "failed", ""
        try:
            with self._clock.time("run"):
                self._work(pipeline, model)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except BddsegError as failure:
            error = str(failure)
            raise
        finally:
            self._over.set()
            if self._coordinator:
                self._coordinator.finish(status, self._clock.seconds, error)
        return self._coordinator.record if self._coordinator else None

    def _work(self, pipeline: Pipeline, model: Model) -> None:
        watcher = _Watcher(lambda: self._tick(pipeline), pipeline.stop)
        watcher.start()
        try:
            try:
                # In the main thread: Ctrl-C reaches it between two layers of the network, and
                # OpenMP is at its best where only one thread ever asks it for others.
                pipeline.run()
            finally:
                self._over.set()
                self._board.finish(self._describe(pipeline, model))
                if self._coordinator:
                    self._coordinator.stop()
            while self._coordinator and not (self._coordinator.all_finished() or watcher.failure):
                time.sleep(_TICK_S / 5)
        finally:
            watcher.end()
        if watcher.failure:
            raise watcher.failure

    def _load(self) -> Model:
        place, job = self._place, self._job
        device = job.device
        if choose_device(device).type == "cuda" and ":" not in device:
            device = f"cuda:{place.local_rank}"
        if place.local_world > 1:
            torch.set_num_threads(max(1, _CORES // place.local_world))
        return load_model(
            job.entry, weights=job.weights, device=device, precision=job.precision, tta=job.tta
        )

    def _make_pipeline(self, model: Model) -> Pipeline:
        # On a CPU the network has the cores; a GPU wants many hands that decode and encode.
        hands = 1 if model.device.type == "cpu" else max(2, _CORES // self._place.local_world // 2)
        return Pipeline(
            model,
            self._outputs,
            draw=lambda: self._board.draw(self._over.is_set),
            report=self._board.report_failure,
            batch_size=self._job.batch_size,
            readers=hands,
            writers=hands,
        )

    def _tick(self, pipeline: Pipeline) -> None:
        self._beats += 1
        self._board.beat(
            Beat(
                rank=self._place.rank,
                host=platform.node(),
                pid=os.getpid(),
                count=self._beats,
                done=pipeline.done,
                idle_s=time.monotonic() - pipeline.progressed,
                frame=pipeline.current,
            )
        )
        error = self._board.read_abort()
        if error:
            raise error
        if self._coordinator:
            self._coordinator.watch()
        if self._place.world > 1 and os.getppid() != self._parent:
            # Whoever started this worker was killed, and nobody would ever stop it.
            raise KeyboardInterrupt

    def _describe(self, pipeline: Pipeline, model: Model) -> WorkerStats:
        # Linux counts in KiB, macOS in bytes.
        unit = 2**20 if sys.platform == "darwin" else 2**10
        peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
        if model.device.type == "cuda":
            peak["gpu"] = torch.cuda.max_memory_allocated(model.device) / 2**20
        return WorkerStats(
            rank=self._place.rank,
            host=platform.node(),
            pid=os.getpid(),
            device=str(model.device),
            done=pipeline.done,
            seconds=pipeline.clock.seconds,
            peak_memory_mb={name: round(size, 1) for name, size in peak.items()},
        )


class _Watcher(threading.Thread):
    """Calls a function every moment; once it fails, keeps why and calls another."""

    def __init__(self, tick: Callable[[], None], on_failure: Callable[[], None]) -> None:
        super().__init__(name="watcher", daemon=True)
        self.failure: BaseException | None = None
        self._tick = tick
        self._on_failure = on_failure
        self._over = threading.Event()

    def run(self) -> None:
        try:
            while not self._over.wait(_TICK_S):
                self._tick()
        except BaseException as error:
            self.failure = error
            self._on_failure()

    def end(self) -> None:
        """Call the function no more."""
        self._over.set()
        self.join()

"""One worker of a run, alone or beside others.

`python -m bddseg.inference.distributed.worker` is what torchrun starts for each worker.
"""

import _thread
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import NoReturn, Self

from bddseg.errors import INTERRUPTED, BddsegError, BddsegWarning
from bddseg.inference.distributed.connection import (
    Connection,
    Server,
    WorkerEndedError,
    connect,
    publish,
)
from bddseg.inference.distributed.coordinator import OWN_WORKER, Coordinator
from bddseg.inference.distributed.frame_processor import FrameProcessor
from bddseg.inference.distributed.launch import FINISHED, STOPPED, read_worker_spec
from bddseg.inference.distributed.messages import Disconnect
from bddseg.inference.distributed.rank import RankInfo, read_torchrun
from bddseg.inference.memory import keep_freed_memory
from bddseg.inference.run import RunSpec
from bddseg.inference.threads import restore_num_threads
from bddseg.progress import Progress
from bddseg.record import RunRecord

_TICK_S = 0.1
_STOP_TIMEOUT_S = 1.0
_EXIT_TIMEOUT_S = 10.0


class RunStoppedError(BddsegError):
    """The run has ended, or goes on, without this worker."""


class _NothingLeftError(BddsegError):
    """The run ended while this worker was loading the model."""


class Watcher(threading.Thread):
    """Calls `tick` every moment beside a processor in the main thread; if it fails, stops it.

    `on_exit` is called before a process that does not stop is ended; None means to wait for it.
    """

    def __init__(
        self,
        processor: FrameProcessor,
        tick: Callable[[], None],
        on_exit: Callable[[BddsegError], None] | None,
    ) -> None:
        super().__init__(name="watcher", daemon=True)
        self._processor = processor
        self._tick = tick
        self._on_exit = on_exit
        self._failure: BddsegError | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        """Call the function until the block ends."""
        try:
            while not self._ended.wait(_TICK_S):
                self._tick()
        except BddsegError as error:
            # A coordinator may end as soon as it has its last message.
            if not self._processor.is_finished:
                self._failure = error
                self._end_worker(error)

    def check(self) -> None:
        """Raise the error of the function, if there was one."""
        if self._failure:
            raise self._failure

    def __enter__(self) -> Self:
        # The first message: the coordinator knows only workers that it has heard of.
        self._tick()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        self.check()

    def _end_worker(self, error: BddsegError) -> None:
        self._processor.stop()
        if self._on_exit is None or self._ended.wait(_STOP_TIMEOUT_S):
            return
        # In the network it notices only an interrupt, and in a native call not even that.
        _thread.interrupt_main()
        if not self._ended.wait(_EXIT_TIMEOUT_S):
            self._on_exit(error)
            os._exit(_choose_code(error))


def run_worker(spec: RunSpec, rank: RankInfo, connection: Connection) -> None:
    """Be a worker of a run that another process coordinates; close the connection.

    Raises:
        BddsegError: the run cannot be done, or has ended without this worker.
    """
    processor = FrameProcessor(spec, rank, connection.exchange)
    parent = os.getppid()

    def tick() -> None:
        processor.check()
        state = processor.send_heartbeat().state
        if state == "stop" or os.getppid() != parent:
            raise RunStoppedError("The run was stopped.", "See the messages of rank 0.")
        if state == "end" and not processor.is_loaded:
            raise _NothingLeftError("The others have done all.")

    try:
        with restore_num_threads(), Watcher(processor, tick, on_exit=lambda _error: None):
            processor.process(processor.load())
    except _NothingLeftError:
        with suppress(WorkerEndedError):
            connection.exchange(Disconnect())
    except (RunStoppedError, WorkerEndedError):
        raise
    except BddsegError as error:
        connection.exchange(Disconnect(error=(error.message, error.hint)))
        raise RunStoppedError(error.message, "The run has ended.") from error
    finally:
        connection.close()


def coordinate(spec: RunSpec, rank: RankInfo, progress: Progress) -> RunRecord:
    """Do a run as the worker of rank 0, beside coordinating it; return its record.

    Raises:
        BddsegError: the run cannot be done.
        KeyboardInterrupt: it was interrupted.
    """
    coordinator = Coordinator(
        spec, world_size=rank.world_size, progress=progress, restarts=rank.restarts
    )
    processor = FrameProcessor(spec, rank, partial(coordinator.handle, OWN_WORKER))
    is_alone = rank.world_size == 1

    def tick() -> None:
        processor.send_heartbeat()
        coordinator.watch()
        if not is_alone:
            processor.check()

    with ExitStack() as stack:
        stack.enter_context(restore_num_threads())
        if not is_alone:
            server = Server(rank.host, 0, coordinator.handle, coordinator.disconnect)
            stack.enter_context(server)
            stack.enter_context(publish(spec.out, server.address, rank.launch_id))
        watcher = stack.enter_context(
            Watcher(processor, tick, None if is_alone else coordinator.record_failure)
        )
        predictor = processor.load()
        with coordinator.run():
            try:
                processor.process(predictor)
            finally:
                # Of what ended or interrupted the processing, this is the cause.
                watcher.check()
        if not is_alone:
            coordinator.wait_for_late_workers()
    return coordinator.record


def main() -> NoReturn:
    """Be a worker that torchrun started for the launcher, and exit."""
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        code = _work_to_end()
        _ignore_signals()
    # A signal may come at any moment until then; there is only one that counts.
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Without waiting for what torch does at exit.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _work_to_end() -> int:
    """Return the exit code; the message of an error is written."""
    try:
        _work()
    except BddsegError as error:
        sys.stderr.write("" if isinstance(error, RunStoppedError) else f"{error}\n")
        return _choose_code(error)
    return FINISHED


def _choose_code(error: BddsegError) -> int:
    if isinstance(error, _NothingLeftError):
        return FINISHED
    return 1 if isinstance(error, WorkerEndedError) else STOPPED


def _work() -> None:
    job = read_worker_spec()
    spec, rank = job.spec, read_torchrun(os.environ)
    # Each machine has a torchrun of its own.
    first_rank = spec.launch.node_rank * spec.launch.num_workers
    rank = replace(rank, rank=first_rank + rank.local_rank, world_size=spec.num_workers)
    if rank.rank > 0:
        # Warnings about plugins are shown once.
        warnings.simplefilter("ignore", BddsegWarning)
    timeout_s = spec.launch.stall_timeout_s
    run_worker(spec, rank, connect(lambda: job.address, timeout_s=timeout_s, patience_s=0))


def _interrupt(*_signal: object) -> None:
    # The first signal counts: what this worker holds is then written undisturbed.
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()

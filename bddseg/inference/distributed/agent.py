"""torchrun's agent of a machine: it starts the workers, and restarts them all if one dies.

`python -m bddseg.inference.distributed.agent` is what the launcher starts.
"""

import logging
import os
import platform
import sys
import time

from torch.distributed import HashStore
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerState
from torch.distributed.elastic.agent.server.api import WorkerSpec as TorchrunSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
from torch.distributed.elastic.rendezvous.api import RendezvousInfo, RendezvousStoreInfo
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous

from bddseg.errors import INTERRUPTED, BddsegError
from bddseg.inference.distributed.connection import Connection, WorkerEndedError, connect
from bddseg.inference.distributed.coordinator import START_FACTOR
from bddseg.inference.distributed.launch import FINISHED, STOPPED, describe_end, read_worker_spec
from bddseg.inference.distributed.messages import Report

_WORKER = "bddseg.inference.distributed.worker"
_LOOPBACK = "127.0.0.1"
_POLL_S = 0.1
_EXIT_TIMEOUT_S = 15.0
# The coordinator decides when workers died too often.
_MAX_RESTARTS = 10**6


class _Rendezvous(StaticTCPRendezvous):
    """The rendezvous of one machine with itself: in memory, so that nothing listens."""

    def next_rendezvous(self) -> RendezvousInfo:
        """Return the store of a new generation of workers, who never see it."""
        return RendezvousInfo(HashStore(), 0, 1, RendezvousStoreInfo(_LOOPBACK, 0))


class _Agent(LocalElasticAgent):
    """Tells the coordinator which processes there are, and how one died."""

    def __init__(self, spec: TorchrunSpec, first_rank: int, connection: Connection) -> None:
        super().__init__(spec, DefaultLogsSpecs(os.devnull))
        self._first_rank = first_rank
        self._connection = connection
        self._parent = os.getppid()
        self._heard_s = time.monotonic()

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result: RunResult = super()._monitor_workers(worker_group)
        if os.getppid() != self._parent:
            sys.exit(STOPPED)
        # The first one is the cause; the others were ended because of it.
        failure = next(iter(result.failures.values()), None)
        if result.state is WorkerState.SUCCEEDED:
            return result
        if failure and failure.exitcode == STOPPED:
            sys.exit(STOPPED)
        try:
            state = self._connection.exchange(self._report(worker_group, failure)).state
            self._heard_s = time.monotonic()
        except WorkerEndedError:
            # It may have ended because the run has; the workers notice, and end too.
            if failure or time.monotonic() - self._heard_s > _EXIT_TIMEOUT_S:
                raise
            return result
        if failure and state in ("end", "stop"):
            sys.exit(FINISHED if state == "end" else STOPPED)
        return result

    def _report(self, worker_group: WorkerGroup, failure: ProcessFailure | None) -> Report:
        death = ""
        if failure:
            rank = self._first_rank + failure.local_rank
            death = f"Worker {rank} (process {failure.pid}) {describe_end(failure.exitcode)}"
        pids = [worker.id for worker in worker_group.workers]
        return Report(host=platform.node(), pids=pids, death=death)


def main() -> None:
    """Run the workers of this machine, and exit."""
    job = read_worker_spec()
    launch = job.spec.launch
    # A worker's death is reported in our own words.
    logging.disable()
    try:
        # A launcher that was suspended goes on later.
        timeout_s = START_FACTOR * launch.stall_timeout_s
        connection = connect(lambda: job.address, timeout_s=timeout_s, patience_s=0)
        spec = TorchrunSpec(
            role="bddseg",
            local_world_size=launch.num_workers,
            entrypoint=sys.executable,
            args=("-m", _WORKER),
            rdzv_handler=_Rendezvous(_LOOPBACK, 0, 0, 1, "bddseg", timeout=0),
            max_restarts=_MAX_RESTARTS,
            monitor_interval=_POLL_S,
        )
        _Agent(spec, launch.node_rank * launch.num_workers, connection).run()
    except SignalException:
        sys.exit(INTERRUPTED)
    except BddsegError:
        # The workers have said so.
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()

"""Starting the workers of a run on this machine, through torchrun in a process of its own.

The launcher of the first machine is the coordinator too. It does not import torch.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import msgspec

from bddseg.errors import BddsegError
from bddseg.inference.distributed.connection import Address, Server, connect, find_address, publish
from bddseg.inference.distributed.coordinator import Coordinator
from bddseg.inference.distributed.messages import decode, encode
from bddseg.inference.run import RunSpec
from bddseg.inference.threads import choose_spinning
from bddseg.progress import Progress
from bddseg.record import RunRecord

_POLL_S = 0.05
_SHUTDOWN_TIMEOUT_S = 5.0
# Exit codes of a worker: the run is over, or goes on without it; otherwise it is restarted.
FINISHED, STOPPED = 0, 3
_AGENT = "bddseg.inference.distributed.agent"
_VARIABLE = "BDDSEG_WORKER"
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_Agent = subprocess.Popen[bytes]


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers of a machine are told, in a variable of their environment alone."""

    spec: RunSpec
    address: Address


def read_worker_spec() -> WorkerSpec:
    """Return what a process that the launcher started was told."""
    return decode(os.environ[_VARIABLE].encode(), WorkerSpec)


def launch(spec: RunSpec, progress: Progress) -> RunRecord | None:
    """Run the workers of this machine and return the record; None on machines of another rank.

    Raises:
        BddsegError: the run cannot be done, or workers died too often.
        KeyboardInterrupt: it was interrupted.
    """
    if spec.launch.node_rank > 0:
        _join(spec)
        return None
    coordinator = Coordinator(spec, world_size=spec.num_workers, progress=progress)
    host, _, port = (spec.launch.endpoint or "127.0.0.1:0").rpartition(":")
    with ExitStack() as stack:
        server = Server(host.strip("[]"), int(port), coordinator.handle, coordinator.disconnect)
        stack.enter_context(server)
        if spec.launch.num_nodes > 1:
            stack.enter_context(publish(spec.out, server.address, spec.launch.endpoint))
        agent = stack.enter_context(_start_agent(spec, server.address, coordinator.list_processes))
        while not coordinator.has_loaded_worker:
            _watch(coordinator, agent)
        with coordinator.run():
            while not coordinator.is_complete:
                _watch(coordinator, agent)
        if spec.launch.num_nodes > 1:
            coordinator.wait_for_late_workers()
    return coordinator.record


def describe_end(code: int) -> str:
    """Return how a process ended, from its exit code."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _join(spec: RunSpec) -> None:
    """Run the workers of a machine whose coordinator is on another one."""
    find = partial(find_address, spec.out, spec.launch.endpoint)
    connection = connect(find, timeout_s=spec.launch.stall_timeout_s)
    connection.close()
    with _start_agent(spec, connection.address) as agent:
        code = agent.wait()
    if code != FINISHED:
        raise BddsegError(
            "The run ended without the workers of this machine.", "See the messages of rank 0."
        )


def _watch(coordinator: Coordinator, agent: _Agent) -> None:
    """Wait a moment; end workers that hang, which torchrun then restarts."""
    time.sleep(_POLL_S)
    code = agent.poll()
    coordinator.watch()
    _kill(coordinator.list_processes(hanging=True))
    if code is not None and not coordinator.is_complete:
        raise BddsegError(
            f"The process that starts the workers {describe_end(code)}.",
            "Results so far are complete: run the same command again, and it resumes there.",
        )


@contextmanager
def _start_agent(
    spec: RunSpec, address: Address, list_workers: Callable[[], list[int]] = list
) -> Iterator[_Agent]:
    """Start torchrun's agent, and wait for its end at the end of the block, or kill it."""
    job = encode(WorkerSpec(spec=spec, address=address)).decode()
    agent = subprocess.Popen(
        [sys.executable, "-m", _AGENT],
        env=os.environ | choose_spinning(os.environ) | {_VARIABLE: job},
        # A terminal's Ctrl-C reaches this process alone, which passes it on.
        start_new_session=True,
    )
    try:
        yield agent
    except BaseException:
        agent.terminate()
        raise
    finally:
        try:
            with suppress(subprocess.TimeoutExpired):
                agent.wait(_SHUTDOWN_TIMEOUT_S)
        finally:
            if agent.poll() is None:
                _kill([agent.pid, *list_workers()])
            agent.wait()


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, _KILL)

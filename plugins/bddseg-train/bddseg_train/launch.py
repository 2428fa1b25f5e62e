"""Starting one process for each GPU of this machine, through torchrun's agent.

`python -m bddseg_train.launch` is the agent. If one process dies, it ends all of them, and they end
if it dies: the same command goes on from the last checkpoint.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bddseg.errors import INTERRUPTED, BddsegError
from bddseg.inference.threads import choose_spinning
from bddseg_train.folder import RunFolder
from bddseg_train.options import TrainOptions
from bddseg_train.recipe import find_recipe
from bddseg_train.record import TrainingRecord, read_record, write_record
from bddseg_train.signals import exit_with_parent
from bddseg_train.view import View

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing import ProcessFailure

_VARIABLE = "BDDSEG_TRAINING"
_PARENT = "BDDSEG_TRAINING_PARENT"
_POLL_S = 0.1


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes are told, in a variable of their environment."""

    folder: str
    options: TrainOptions


def begin_process() -> ProcessSpec:
    """Return what this process was told, and let it end with the one that started it."""
    exit_with_parent(int(os.environ[_PARENT]))
    os.environ[_PARENT] = str(os.getpid())
    return msgspec.json.decode(os.environ[_VARIABLE], type=ProcessSpec)


def launch(
    folder: RunFolder, options: TrainOptions, *, view: View, should_stop: Callable[[], bool]
) -> TrainingRecord:
    """Train with one process for each GPU, and return what was done.

    Raises:
        BddsegError: the processes failed.
    """
    folder.record.unlink(missing_ok=True)
    spec = ProcessSpec(folder=str(folder.path), options=options)
    view.note(f"Starting {options.num_gpus} processes.")
    agent = subprocess.Popen(
        [sys.executable, "-m", "bddseg_train.launch"],
        env=os.environ
        | choose_spinning(os.environ)
        | {_VARIABLE: msgspec.json.encode(spec).decode(), _PARENT: str(os.getpid())},
        # A terminal's Ctrl-C reaches this process alone, which passes it on.
        start_new_session=True,
    )
    is_told = False
    try:
        while agent.poll() is None:
            if should_stop() and not is_told:
                agent.terminate()
                is_told = True
            time.sleep(_POLL_S)
    finally:
        if agent.poll() is None:
            agent.terminate()
            agent.wait()
    record = read_record(folder.record)
    if record is None:
        end = _describe_end(agent.returncode)
        raise BddsegError(f"The process that starts the others {end}.", _describe_next(folder))
    if record.status == "failed":
        raise BddsegError(record.error, record.hint)
    return record


def main() -> None:
    """Run the processes of this machine, and exit."""
    # Imported here: it takes a second, and the command does not need it.
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.rendezvous import RendezvousParameters
    from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

    parameters = RendezvousParameters(
        backend="c10d",
        endpoint="127.0.0.1:0",
        run_id=uuid.uuid4().hex,
        min_nodes=1,
        max_nodes=1,
        local_addr="127.0.0.1",
        is_host=True,
    )
    told = begin_process()
    spec = WorkerSpec(
        role="bddseg-train",
        local_world_size=told.options.num_gpus,
        entrypoint=sys.executable,
        args=("-m", "bddseg_train.worker"),
        rdzv_handler=get_rendezvous_handler(parameters),
        max_restarts=0,
        monitor_interval=_POLL_S,
    )
    try:
        result = LocalElasticAgent(spec, DefaultLogsSpecs()).run()
    except SignalException:
        sys.exit(INTERRUPTED)
    if result is not None and result.is_failed():
        _report(result.failures, RunFolder(Path(told.folder)))
        sys.exit(1)


def _report(failures: "Mapping[int, ProcessFailure]", folder: RunFolder) -> None:
    """Write which process failed first into the record, unless one has written why."""
    if folder.record.exists() or not failures:
        return
    # Where one is killed, the others fail because its connections end, at nearly the same time.
    rank, failure = min(
        failures.items(), key=lambda item: (item[1].exitcode > 0, item[1].timestamp)
    )
    error = BddsegError(
        f"The training process of rank {rank} {_describe_end(failure.exitcode)}.",
        _describe_next(folder),
    )
    iterations = find_recipe(folder.recipe).iterations
    write_record(folder.record, TrainingRecord.fail(error, iterations))


def _describe_end(exit_code: int) -> str:
    """Return how a process ended."""
    if exit_code >= 0:
        return f"failed with exit code {exit_code}; its message is above"
    return f"was killed by the signal {signal.Signals(-exit_code).name}"


def _describe_next(folder: RunFolder) -> str:
    """Return what to do after a failure of a process."""
    goes_on = "goes on from the last checkpoint" if folder.last.exists() else "starts again"
    return (
        "If memory was exhausted, use --images-per-step N or fewer --workers. The same command "
        f"{goes_on}."
    )


if __name__ == "__main__":
    main()

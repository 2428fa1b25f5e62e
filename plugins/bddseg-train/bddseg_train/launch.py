"""Starting one process for each GPU of this machine, through torchrun's agent.

`python -m bddseg_train.launch` is the agent. If one process dies, it ends all of them: the same
command goes on from the last checkpoint.
"""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import msgspec

from bddseg.errors import INTERRUPTED, BddsegError
from bddseg.inference.threads import choose_spinning
from bddseg_train.folder import RunFolder
from bddseg_train.options import TrainOptions
from bddseg_train.record import TrainingRecord, read_record
from bddseg_train.view import View

_VARIABLE = "BDDSEG_TRAINING"
_POLL_S = 0.1


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes are told, in a variable of their environment."""

    folder: str
    options: TrainOptions


def read_process_spec() -> ProcessSpec:
    """Return what a process that the agent started was told."""
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
        | {_VARIABLE: msgspec.json.encode(spec).decode()},
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
    if record is None or (record.status == "failed" and not record.error):
        raise BddsegError(
            f"The training processes ended with exit code {agent.returncode}.",
            "Their messages are above. The same command goes on from the last checkpoint.",
        )
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
    spec = WorkerSpec(
        role="bddseg-train",
        local_world_size=read_process_spec().options.num_gpus,
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
    sys.exit(1 if result is None or result.is_failed() else 0)


if __name__ == "__main__":
    main()

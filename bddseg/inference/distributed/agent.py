"""torchrun's agent on this machine: it starts the workers, and restarts them if one dies.

`python -m bddseg.inference.distributed.agent FOLDER` is what the launcher starts.
"""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bddseg.errors import INTERRUPTED, BddsegError
from bddseg.inference.distributed.connect import MEETING_TIMEOUT_S
from bddseg.inference.distributed.handover import Handover
from bddseg.inference.run import RunSpec
from bddseg.inference.runtimes.torch import choose_device
from bddseg.record import read_record

_WORKER = "bddseg.inference.distributed.worker"
_POLL_S = 0.5


def main(folder: Path) -> None:
    """Run the workers of the run that is described in a folder, and exit."""
    threading.Thread(target=_stop_with_parent, args=(os.getppid(),), daemon=True).start()
    _silence_torchrun()
    handover = Handover(folder)
    spec = handover.read_spec()
    command = ["-m", _WORKER, str(folder)]
    try:
        check_devices(spec)
        elastic_launch(_make_config(spec, folder), sys.executable)(*command)
    except SignalException:
        sys.exit(INTERRUPTED)
    except BddsegError as error:
        handover.write_error(error)
    except ChildFailedError as error:
        handover.write_error(describe_death(error, spec))
    except RendezvousError as error:
        handover.write_error(
            BddsegError(
                f"The {spec.launch.num_nodes} machines did not meet at {spec.launch.endpoint}: "
                f"{error}",
                "Start the command on all of them, with --node-rank 0 on the machine of the "
                "endpoint.",
            )
        )


def describe_death(error: ChildFailedError, spec: RunSpec) -> BddsegError:
    """Return the error for workers that died too often."""
    record = read_record(spec.out)
    if record and record.status == "failed" and record.error:
        return BddsegError(record.error, "Run the same command again: it resumes there.")
    # A worker that lost the one of rank 0 ends by itself; the one that was killed is the cause.
    rank, failure = min(
        error.failures.items(), key=lambda item: (item[1].exitcode >= 0, item[1].timestamp)
    )
    how = (
        f"was killed by {failure.signal_name()}"
        if failure.exitcode < 0
        else f"ended with exit code {failure.exitcode}"
    )
    return BddsegError(
        f"Worker {rank} (process {failure.pid}) {how}, after {spec.launch.max_restarts} restarts. "
        "Its output is above.",
        "Results so far are complete: run the same command again, and it resumes there.",
    )


def check_devices(spec: RunSpec) -> None:
    """Refuse more workers on GPUs than there are.

    Raises:
        BddsegError: there are fewer, or no such device.
    """
    device = choose_device(spec.execution.device)
    available = torch.cuda.device_count()
    num_workers = spec.launch.num_workers
    if device.type == "cuda" and num_workers > available:
        raise BddsegError(
            f"{num_workers} GPUs were requested, and torch {torch.__version__} finds {available}.",
            f"Use --gpus {available}, or --device cpu --workers N.",
        )


def _make_config(spec: RunSpec, folder: Path) -> LaunchConfig:
    launch = spec.launch
    one_machine = launch.num_nodes == 1
    return LaunchConfig(
        min_nodes=launch.num_nodes,
        max_nodes=launch.num_nodes,
        nproc_per_node=launch.num_workers,
        run_id="bddseg",
        rdzv_backend="c10d",
        # On one machine workers meet in a file: nothing listens on a network interface.
        rdzv_endpoint=str(folder / "rendezvous") if one_machine else launch.endpoint,
        rdzv_configs={
            "store_type": "file" if one_machine else "tcp",
            "is_host": launch.node_rank == 0,
            "timeout": int(MEETING_TIMEOUT_S),
        },
        max_restarts=launch.max_restarts,
        monitor_interval=0.1,
    )


def _stop_with_parent(parent: int) -> None:
    """Stop this process when the launcher dies without having told it to."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _silence_torchrun() -> None:
    """Keep torchrun from reporting a worker's death in pages: we report it ourselves."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Starting a run: in this process, as workers of torchrun, or as one worker that others started."""

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed import HashStore, Store, TCPStore
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bddseg.data.sources import Selection
from bddseg.engine.job import Job, Record, encode_job, read_record
from bddseg.engine.model import Precision, choose_device
from bddseg.engine.outputs import parse_formats
from bddseg.engine.worker import Place, run_worker
from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.progress import Display, SilentDisplay
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights
from bddseg.zoo.entry import Entry

# `bddseg worker JOB`: the command that torchrun starts for each worker.
_WORKER = ("-m", "bddseg", "worker")
# Where the first worker leaves the error that ended a run in good order.
_ERROR_FILE = "BDDSEG_ERROR_FILE"
_MEETING_S = 120.0
_CONNECT = timedelta(seconds=5)
_DEFAULT_PORT = 29400


def infer(
    model: str | Entry,
    source: str | Path,
    out: str | Path,
    *,
    weights: str | Path | None = None,
    formats: Sequence[str] = ("mask",),
    device: str = "auto",
    precision: Precision = "fp32",
    tta: bool = False,
    batch_size: int = 0,
    workers: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
) -> Record | None:
    """Write results for each frame of a source: `bddseg infer` as a function.

    Args:
        model: a name or short name in the zoo, the path of an entry's TOML file, or an entry.
        source: an image, a folder, a glob pattern, a text file of paths, or a video.
        out: a folder.
        weights: a checkpoint file; without it, the entry's own, fetched if need be.
        formats: "mask", "color", "overlay", "rle", "video".
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "fp32", "fp16" or "bf16".
        tta: average over six scales and their mirror images.
        batch_size: frames at a time; 0: 1 on a CPU, what fits on a GPU.
        workers: processes; on GPUs, one for each.
        limit: only so many frames, the first ones.
        overwrite: replace the results of another run in that folder.

    Returns:
        What `run.json` says; None in workers of torchrun but the first.

    Raises:
        BddsegError: the run cannot be done. Frames that fail are in the record.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    job = Job(
        entry=entry,
        weights=Path(weights) if weights else get_weights(entry),
        source=str(source),
        out=Path(out),
        selection=Selection(limit=limit),
        formats=parse_formats(formats),
        device=device,
        precision=precision,
        tta=tta,
        batch_size=batch_size,
        workers=workers,
        overwrite=overwrite,
    )
    return run_job(job)


def run_job(job: Job, display: Display | None = None) -> Record | None:
    """Do a job, and return its record.

    Where torchrun or Slurm started this process, it is one of their workers; all but the first
    return None, and so does every machine but the first.

    Raises:
        BddsegError: the run cannot be done, or workers died too often.
        KeyboardInterrupt: it was interrupted.
    """
    display = display or SilentDisplay()
    place = read_place(os.environ)
    if place:
        return run_worker(job, place, _connect_to(place, job), display)
    if job.workers * job.nodes == 1:
        store = HashStore()
        return run_worker(job, Place(), lambda: store, display)
    return _launch(job)


def read_place(environment: Mapping[str, str]) -> Place | None:
    """Return the place that torchrun or Slurm gave this process; None if neither started it."""
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Place(
            rank=int(environment["RANK"]),
            world=int(environment["WORLD_SIZE"]),
            local_rank=int(environment.get("LOCAL_RANK", "0")),
            local_world=int(environment.get("LOCAL_WORLD_SIZE", "1")),
            restarts=int(environment.get("TORCHELASTIC_RESTART_COUNT", "0")),
        )
    # Only steps of srun have an id; the script around them is no worker.
    if "SLURM_STEP_ID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1:
        nodes = int(environment.get("SLURM_NNODES", "1"))
        return Place(
            rank=int(environment["SLURM_PROCID"]),
            world=int(environment["SLURM_NTASKS"]),
            local_rank=int(environment["SLURM_LOCALID"]),
            local_world=-(-int(environment["SLURM_NTASKS"]) // nodes),
        )
    return None


def check_devices(job: Job) -> None:
    """Refuse more workers on GPUs than there are.

    Raises:
        BddsegError: there are fewer, or no such device.
    """
    device = choose_device(job.device)
    found = torch.cuda.device_count()
    if device.type == "cuda" and job.workers > found:
        raise BddsegError(
            f"{job.workers} GPUs were asked for, and torch {torch.__version__} sees {found}.",
            f"Say --gpus {found}, or --device cpu --workers N.",
        )


def _connect_to(place: Place, job: Job) -> Callable[[], Store]:
    """Return what gives a store, held by the first worker, that belongs to this start of it alone.

    The store at which torchrun lets workers meet outlives them: after a restart it is full of what
    the last ones left. It serves to tell the address of a fresh one.
    """
    host, port = _find_meeting(os.environ)
    timeout = timedelta(seconds=max(job.stall_s, 10.0))
    meeting, _, _ = next(
        dist.rendezvous(f"tcp://{host}:{port}", place.rank, place.world, timeout=timeout)
    )
    if place.rank > 0:
        return lambda: _join(meeting, host, timeout)
    server = TCPStore(host, 0, is_master=True, timeout=timeout, wait_for_workers=False)
    meeting.set("bddseg", str(server.port))

    def connect(_kept: object = meeting) -> Store:
        # Servers end with their objects; this function keeps both, and lives as long as the run.
        return TCPStore(host, server.port, is_master=False, timeout=timeout)

    return connect


def _join(meeting: Store, host: str, timeout: timedelta) -> Store:
    """Return a client of the first worker's store; its address may be a dead one's at first."""
    end = time.monotonic() + _MEETING_S
    while True:
        port = int(meeting.get("bddseg"))
        try:
            store = TCPStore(host, port, is_master=False, timeout=_CONNECT)
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            store.set_timeout(timeout)
            return store


def _find_meeting(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port where workers meet: torchrun's, or the first machine of a Slurm job."""
    host = environment.get("MASTER_ADDR") or environment.get("SLURM_LAUNCH_NODE_IPADDR")
    if not host:
        raise BddsegError(
            "The environment names ranks, but no host where workers meet.",
            "Set MASTER_ADDR to the first machine's name, or use torchrun.",
        )
    # Jobs that share a machine should not share a port.
    shift = int(environment.get("SLURM_JOB_ID", "0")) % 10_000
    return host, int(environment.get("MASTER_PORT", _DEFAULT_PORT + shift))


def _launch(job: Job) -> Record | None:
    """Run torchrun's agent for this machine's workers, and return what the first one recorded."""
    check_devices(job)
    _quiet_torchrun()
    # torchrun waits this long for workers to end by themselves when it is told to stop.
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "10")
    config = LaunchConfig(
        min_nodes=job.nodes,
        max_nodes=job.nodes,
        nproc_per_node=job.workers,
        run_id="bddseg",
        rdzv_backend="c10d",
        rdzv_endpoint=job.endpoint or "localhost:0",
        rdzv_configs={"is_host": job.node_rank == 0, "timeout": int(_MEETING_S)},
        max_restarts=job.restarts,
    )
    worker = [sys.executable, *_WORKER, encode_job(job)]
    try:
        with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
            os.environ[_ERROR_FILE] = str(Path(folder, "error.json"))
            elastic_launch(config, worker[0])(*worker[1:])
            _raise_error(Path(os.environ[_ERROR_FILE]))
    except SignalException as signal:
        raise KeyboardInterrupt from signal
    except ChildFailedError as error:
        raise _explain_death(error, job) from error
    except RendezvousError as error:
        raise BddsegError(
            f"The {job.nodes} machines did not meet at {job.endpoint}: {error}",
            "Start the command on all of them, with --node-rank 0 on the machine of the endpoint.",
        ) from error
    if job.node_rank > 0:
        return None
    return read_record(job.out)


def leave_error(error: BddsegError) -> None:
    """Leave an error for the process that launched this worker, if one did."""
    path = os.environ.get(_ERROR_FILE)
    if path:
        write_atomically(Path(path), json.dumps([error.message, error.hint]).encode())


def _raise_error(path: Path) -> None:
    if path.exists():
        raise BddsegError(*json.loads(path.read_bytes()))


def _quiet_torchrun() -> None:
    """Keep torchrun and its store from telling of a worker's death in pages of native stack traces.

    What there is to tell, this process and the first worker tell in their own words.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")


def _explain_death(error: ChildFailedError, job: Job) -> BddsegError:
    record = read_record(job.out)
    if record and record.status == "failed" and record.error:
        return BddsegError(record.error, "Run the same command again: it goes on from there.")
    # A worker that lost the first one ends too, of itself; the one that was killed is the cause.
    rank, failure = min(
        error.failures.items(), key=lambda item: (item[1].exitcode >= 0, item[1].timestamp)
    )
    how = f"by {failure.signal_name()}" if failure.exitcode < 0 else f"with {failure.exitcode}"
    return BddsegError(
        f"Worker {rank} (process {failure.pid}) ended {how}, and {job.restarts} restarts are used "
        "up. What it said stands above.",
        "Results so far are whole: run the same command again, and it goes on from there.",
    )

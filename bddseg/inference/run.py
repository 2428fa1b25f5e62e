"""Runs: one model over one source, into one folder."""

import hashlib
import json
import platform
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from bddseg.data.sources.source import Selection, is_live
from bddseg.errors import BddsegError
from bddseg.io.lock import lock_folder
from bddseg.progress import Progress, SilentProgress
from bddseg.record import RunRecord
from bddseg.specs import Entry, Precision
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights

_VERSIONED = ("bddseg", "torch", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a network is run.

    Attributes:
        runtime: Name of the runtime; "auto" is replaced at the start of a run.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps". With several workers, "cuda" gives each
            the GPU of its local rank.
        precision: What the network computes in.
        compile: Compile the network with torch.compile.
        tta: Average over six scales and their mirror images.
        batch_size: Images at a time: on a GPU a batch of one size, on a CPU in parallel, each with
            its share of the threads. 0 means what fits on a GPU and, on a CPU, one for each thread
            if the network is small, else 1.
        smooth: Weight of the newest frame in the average of logits over time, above 0; with 1,
            there is no average.
        num_threads: Threads that compute the network in each worker, on a CPU; 0 means its share of
            the cores or, with one worker, what torch is set to.
        tasks: Which of the model's tasks are predicted; without, the main one. Results of the first
            go to the run's folder, those of others to OUT/TASK.
    """

    runtime: str = "torch"
    device: str = "auto"
    precision: Precision = "fp32"
    compile: bool = False
    tta: bool = False
    batch_size: int = 0
    smooth: float = 1.0
    num_threads: int = 0
    tasks: tuple[str, ...] = ()

    @property
    def is_smoothed(self) -> bool:
        """Whether results depend on the frames before."""
        return self.smooth < 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The processes of a run.

    Attributes:
        num_workers: Processes on this machine.
        num_nodes: Machines.
        node_rank: Rank of this machine; workers meet on the one of rank 0.
        endpoint: HOST:PORT where workers of several machines meet.
        max_restarts: How often workers that died are restarted.
        stall_timeout_s: Seconds without a heartbeat after which a worker counts as dead.
    """

    num_workers: int = 1
    num_nodes: int = 1
    node_rank: int = 0
    endpoint: str = ""
    max_restarts: int = 3
    stall_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What a run is asked to do.

    Attributes:
        entry: The model.
        weights: Its checkpoint file.
        source: Where frames come from; see `bddseg.data.sources`.
        selection: Which frames of the source.
        execution: How the network is run.
        out: The folder of the results and the run record.
        formats: Names of the writers.
        overwrite: Replace the results of another run; otherwise they are an error.
        launch: Processes and machines.
    """

    entry: Entry
    weights: Path
    source: str
    selection: Selection = field(default_factory=Selection)
    execution: Execution = field(default_factory=Execution)
    out: Path
    formats: tuple[str, ...] = ("mask",)
    overwrite: bool = False
    launch: Launch = field(default_factory=Launch)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that are predicted."""
        return self.execution.tasks or (self.entry.task,)

    @property
    def task(self) -> str:
        """The first of the tasks."""
        return self.tasks[0]

    @property
    def num_workers(self) -> int:
        """Number of processes on all machines."""
        return self.launch.num_workers * self.launch.num_nodes


def infer(
    model: str | Path | Entry,
    source: str | Path,
    out: str | Path,
    *,
    weights: str | Path | None = None,
    formats: Sequence[str] = ("mask",),
    limit: int | None = None,
    overwrite: bool = False,
    num_workers: int = 1,
    runtime: str | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    compile: bool = False,  # noqa: A002
    tta: bool = False,
    batch_size: int = 0,
    smooth: float = 1.0,
    num_threads: int = 0,
    tasks: Sequence[str] = (),
    progress: Progress | None = None,
) -> RunRecord | None:
    """Write results for each frame of a source: `bddseg infer` as a function.

    Args:
        model: A model's name, the path of an entry's TOML file, or an entry.
        source: An image, a folder, a glob pattern, a text file of paths, a video, a folder of
            videos, a live source (the URL of a stream, the number of a camera, "-"), or a source of
            a plugin.
        out: Folder for the results: `out/run.json`, `out/masks/...`
        weights: A checkpoint file; without, the entry's own, downloaded if necessary.
        formats: Names of writers: "mask", "colormap", "overlay", "rle", "probability", "logits",
            "video", or a plugin's.
        limit: Only the first N frames.
        overwrite: Replace the results of another run in that folder.
        num_workers: Number of processes; on GPUs, one for each.
        runtime: What executes the network: "torch", "openvino", "onnx", "tensorrt", or "auto" for
            OpenVINO where it is faster than torch, with the same labels; without, the entry's.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "fp32", "fp16", "bf16" or, on a CUDA GPU, "tf32".
        compile: Compile the network with torch.compile.
        tta: Average over six scales and their mirror images.
        batch_size: Images at a time: on a GPU a batch of one size, on a CPU in parallel, each with
            its share of the threads. 0 means what fits on a GPU and, on a CPU, one for each thread
            if the weights take up at most 16 MiB, else 1.
        smooth: Of a video, or folders of its frames: weight of the newest frame in an average of
            logits over time; with 1, each frame is for itself.
        num_threads: Threads that compute the network in each worker; 0 means its share of the cores
            or, with one worker, what torch is set to.
        tasks: Which of the model's tasks to predict; without, the main one. Results of others than
            the first go to `out/TASK`.
        progress: Shows progress.

    Returns:
        The run record; None in workers that torchrun or Slurm started, except the first.

    Raises:
        BddsegError: the run cannot be done. Frames that fail are in the record.
    """
    entry = find_entry(model)
    spec = RunSpec(
        entry=entry,
        weights=Path(weights) if weights else get_weights(entry),
        source=str(source),
        selection=Selection(limit=limit),
        execution=Execution(
            runtime=runtime or entry.runtime,
            device=device,
            precision=precision,
            compile=compile,
            tta=tta,
            batch_size=batch_size,
            smooth=smooth,
            num_threads=num_threads,
            tasks=tuple(tasks),
        ),
        out=Path(out),
        formats=tuple(formats),
        overwrite=overwrite,
        launch=Launch(num_workers=num_workers),
    )
    return run(spec, progress)


def run(spec: RunSpec, progress: Progress | None = None) -> RunRecord | None:
    """Do a run and return its record.

    One over a live source goes on until the source ends, the limit is reached, or Ctrl-C.

    A process that torchrun or Slurm started is one of their workers; all but the first return None,
    and so does every machine but the first.

    Raises:
        BddsegError: the run cannot be done, or workers died too often.
        KeyboardInterrupt: it was interrupted.
    """
    from bddseg.inference.choose_runtime import settle_runtime
    from bddseg.inference.distributed.launch import launch
    from bddseg.inference.distributed.rank import RankInfo, read_rank_info

    progress = progress or SilentProgress()
    rank = read_rank_info()
    if rank and spec.num_workers > 1:
        raise BddsegError(
            f"The environment makes this process the worker of rank {rank.rank} of "
            f"{rank.world_size}, and {spec.num_workers} workers were requested.",
            "Leave out --gpus, --workers and --nnodes, or unset RANK and WORLD_SIZE.",
        )
    if is_live(spec.source):
        return _run_live(spec, rank.world_size if rank else 1, progress)
    check_smoothing(spec, rank.world_size if rank else spec.num_workers)
    # One process locks for all workers of all machines.
    is_first = spec.launch.node_rank == 0 if rank is None else rank.rank == 0
    with lock_folder(spec.out) if is_first else nullcontext():
        spec = settle_runtime(spec, progress, is_alone=rank is None and spec.launch.num_nodes == 1)
        if spec.num_workers > 1:
            # The workers import torch; this process need not.
            return launch(spec, progress)
        from bddseg.inference.distributed.connection import connect, find_address
        from bddseg.inference.distributed.worker import coordinate, run_worker

        if rank is None or is_first:
            return coordinate(spec, rank or RankInfo(), progress)
        find = partial(find_address, spec.out, rank.launch_id)
        run_worker(spec, rank, connect(find, timeout_s=spec.launch.stall_timeout_s))
        return None


def _run_live(spec: RunSpec, world_size: int, progress: Progress) -> RunRecord:
    from bddseg.inference.live.run import LiveRun

    launch = replace(spec.launch, num_workers=max(spec.launch.num_workers, world_size))
    live = LiveRun(replace(spec, launch=launch), progress)
    live.run()
    return live.record


def check_smoothing(spec: RunSpec, world_size: int) -> None:
    """Refuse what smoothing excludes: its frames are done one after the other."""
    from bddseg.inference.smoothing import check_weight

    execution = spec.execution
    check_weight(execution.smooth)
    if execution.is_smoothed and world_size > 1:
        raise BddsegError(
            f"--smooth needs all frames in one process, and this run has {world_size} workers.",
            "Leave out --smooth, or run each sequence by itself with one worker.",
        )
    if execution.is_smoothed and execution.batch_size > 1:
        raise BddsegError(
            f"--smooth needs one frame after the other, and --batch-size is "
            f"{execution.batch_size}.",
            "Leave out one of them.",
        )


def get_identity(spec: RunSpec, weights_sha256: str) -> dict[str, Any]:
    """Return what the results of a run depend on: it is resumed only where this is the same."""
    entry = msgspec.to_builtins(spec.entry)
    keys = (
        "architecture",
        "options",
        "class_map",
        "extra_class_maps",
        "preprocessing",
        "sliding_window",
        "postprocessing",
    )
    execution = spec.execution
    identity = {
        "model": spec.entry.name,
        "tasks": spec.tasks,
        "weights_sha256": weights_sha256,
        "source": str(Path(spec.source).absolute()),
        "runtime": execution.runtime,
        "precision": execution.precision,
        "compile": execution.compile,
        "tta": execution.tta,
        "smooth": _describe_smoothing(spec),
        "network": {key: entry[key] for key in keys},
    }
    # As JSON gives it back.
    compared: dict[str, Any] = json.loads(json.dumps(identity))
    return compared


def _describe_smoothing(spec: RunSpec) -> dict[str, float] | None:
    """Return what averages depend on, besides the frames of the source; None without smoothing."""
    execution, selection = spec.execution, spec.selection
    if not execution.is_smoothed:
        return None
    return {"weight": execution.smooth, "start": selection.start, "every": selection.every}


def describe_weights(path: Path) -> dict[str, str | int]:
    """Return path, size in bytes and SHA-256 of a checkpoint file.

    Raises:
        BddsegError: it is not a regular file, or cannot be read.
    """
    try:
        # Opening a pipe waits for whoever writes to it, and a device may never end.
        if path.exists() and not path.is_file():
            raise OSError("it is not a regular file")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BddsegError(
            f"The weights file {path} cannot be read: {error.strerror or error}.",
            "Check the path after --weights.",
        ) from error
    return {"path": str(path.resolve()), "size_bytes": path.stat().st_size, "sha256": digest}


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that masks depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _VERSIONED}

"""What a run is asked to do, and the record it leaves."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from bddseg.data.sources import Selection
from bddseg.engine.model import Precision
from bddseg.engine.outputs import Format
from bddseg.errors import BddsegError
from bddseg.files import RECORD_NAME, write_atomically
from bddseg.zoo.entry import Entry

_VERSIONED = ("bddseg", "torch", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One model over one source.

    Attributes:
        entry: the model.
        weights: its checkpoint file.
        source: an image, a folder, a glob pattern, a text file of paths, or a video.
        out: the folder that gets the results and the record.
        selection: which frames of the source.
        formats: what is written for each frame.
        device: "auto", "cpu", "cuda" or "cuda:N". With several workers, "cuda" gives each the GPU
            of its number.
        precision: what the network computes in.
        tta: whether to average over scales and mirror images.
        batch_size: frames of one size that the network takes at a time; 0 picks 1 on a CPU, and
            what fits on a GPU.
        overwrite: whether results of another run are replaced; else that is an error.
        workers: processes on this machine.
        nodes: machines.
        node_rank: number of this machine; 0 is where the workers meet.
        endpoint: where they meet, HOST:PORT, if there are several machines.
        restarts: how often workers that died are started again.
        stall_s: how long a worker may give no sign of life.
    """

    entry: Entry
    weights: Path
    source: str
    out: Path
    selection: Selection = field(default_factory=Selection)
    formats: tuple[Format, ...] = (Format.MASK,)
    device: str = "auto"
    precision: Precision = "fp32"
    tta: bool = False
    batch_size: int = 0
    overwrite: bool = False
    workers: int = 1
    nodes: int = 1
    node_rank: int = 0
    endpoint: str = ""
    restarts: int = 3
    stall_s: float = 60.0


def encode_job(job: Job) -> str:
    """Return a job as text, for another process."""
    return msgspec.json.encode(job, enc_hook=str).decode()


def decode_job(text: str) -> Job:
    """Return the job that `encode_job` was given."""
    return msgspec.json.decode(text, type=Job, dec_hook=lambda kind, value: kind(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A frame that gave no result, and why."""

    frame: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStats:
    """What one worker did.

    Attributes:
        rank: its number.
        host: name of its machine.
        pid: its process.
        device: what its network ran on.
        done: frames whose results it wrote.
        seconds: spent in each stage. Stages overlap, and each may have several threads, so they do
            not add up to the run's time.
        peak_memory_mb: of its process, and on a GPU of torch's memory there.
    """

    rank: int
    host: str
    pid: int
    device: str
    done: int
    seconds: dict[str, float]
    peak_memory_mb: dict[str, float]


@dataclass(slots=True, kw_only=True)
class Record:
    """What a run did: the content of `run.json`.

    Attributes:
        status: "running", "finished", "interrupted" or "failed".
        error: why it failed.
        model: name of the entry.
        task: name of the task; says what the ids in the masks mean.
        weights: path, size and SHA-256 of the checkpoint.
        arguments: what the run was asked to do.
        identity: what results depend on; a run goes on only where this is the same.
        versions: of Python and the packages that masks depend on.
        device: what the first worker's network ran on.
        started: of this invocation, UTC, ISO 8601.
        begun_ns: time stamp of the folder's first file; older ones are not the run's.
        restarts: how often workers were started again.
        frames: number found (after any limit).
        done: number of frames whose results were written.
        skipped: number whose results were there already.
        failures: frames that gave no result.
        seconds: wall time of loading the model and of the run.
        workers: what each did.
    """

    status: str = "running"
    error: str = ""
    model: str
    task: str
    weights: dict[str, str | int]
    arguments: dict[str, Any]
    identity: dict[str, Any]
    versions: dict[str, str]
    device: str
    started: str
    begun_ns: int = 0
    restarts: int = 0
    frames: int = 0
    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    workers: list[WorkerStats] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the record to the run's folder.

        Raises:
            BddsegError: it cannot be written.
        """
        content = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(folder / RECORD_NAME, content.encode())


def read_record(folder: Path) -> Record | None:
    """Return the record in a folder; None if there is none.

    Raises:
        BddsegError: it is there and cannot be read.
    """
    path = folder / RECORD_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise BddsegError(
            f"{path} cannot be read as the record of a run: {error}.",
            "Choose another output with -o, or say --overwrite.",
        ) from error


def identify(job: Job, weights_sha256: str) -> dict[str, Any]:
    """Return what the results of a job depend on."""
    entry = msgspec.to_builtins(job.entry)
    network = {key: entry[key] for key in ("architecture", "options", "preprocessing", "test")}
    return {
        "model": job.entry.name,
        "task": job.entry.task,
        "weights_sha256": weights_sha256,
        "source": str(Path(job.source).absolute()),
        "precision": job.precision,
        "tta": job.tta,
        # As JSON gives it back.
        "network": json.loads(json.dumps(network)),
    }


def describe_weights(path: Path) -> dict[str, str | int]:
    """Return path, size in bytes and SHA-256 of a checkpoint file.

    Raises:
        BddsegError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BddsegError(
            f"There is no weights file {path} that can be read: {error.strerror}.",
            "Check the path after --weights.",
        ) from error
    return {"path": str(path.resolve()), "size_bytes": path.stat().st_size, "sha256": digest}


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that masks depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _VERSIONED}

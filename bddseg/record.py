"""The run record: what a run was asked to do and what it did, as `run.json` in its folder."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg.io.names import escape_names

RECORD_NAME = "run.json"

Status = Literal["running", "finished", "interrupted", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A frame without a result, and why."""

    frame: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStats:
    """What one worker did.

    Attributes:
        rank: Rank of the worker.
        host: Name of its machine.
        pid: Process id.
        device: Device of the network.
        num_threads: Number of threads that compute it on a CPU; 0 where it is not recorded.
        num_parallel: Number of frames that share these threads, and are computed in parallel.
        done: Number of frames whose results it wrote.
        skipped: Number of frames whose results were there already.
        seconds: Time in each stage. Stages overlap, and each may have several threads, so they do
            not add up to the run's time.
        peak_memory_mb: Peak memory of the process and, on a GPU, of torch on it.
    """

    rank: int
    host: str
    pid: int
    device: str
    num_threads: int = 0
    num_parallel: int = 1
    done: int
    skipped: int
    seconds: dict[str, float]
    peak_memory_mb: dict[str, float]


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """What a run did: the content of `run.json`.

    Attributes:
        status: Where the run stands.
        error: Why it failed.
        model: Name of the entry.
        task: Name of the task: what the ids in the masks mean.
        weights: Path, size and SHA-256 of the checkpoint.
        arguments: What the run was asked to do.
        identity: What the results depend on; a run is resumed only where this is the same.
        versions: Versions of Python and of the packages that masks depend on.
        device: Device of the first worker's network.
        started: Start of this invocation, UTC, ISO 8601.
        first_written_ns: Modification time of the run's first file; older files are not the run's.
        restarts: How often workers were restarted.
        frames: Number of frames (after any limit); of a live source, those that came.
        done: Number of frames whose results were written.
        skipped: Number of frames whose results were there already.
        failures: Frames without a result.
        dropped: Number of frames of a live source that were not used: newer ones replaced
            them, they came too early for the maximum rate, or they are damaged.
        reconnects: How often a live source was opened again.
        latency_ms: Of a live source, median and 99th percentile of the last 10,000 frames' times
            from when they came to when their results were written: "p50" and "p99".
        seconds: Wall time of loading the model and of the run.
        workers: What each worker did.
    """

    status: Status = "running"
    error: str = ""
    model: str
    task: str
    weights: dict[str, str | int]
    arguments: dict[str, Any]
    identity: dict[str, Any]
    versions: dict[str, str]
    device: str
    started: str
    first_written_ns: int = 0
    restarts: int = 0
    frames: int = 0
    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    dropped: int = 0
    reconnects: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    workers: list[WorkerStats] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the record to the run's folder.

        Raises:
            BddsegError: it cannot be written.
        """
        content = msgspec.json.encode(escape_names(asdict(self)))
        write_atomically(folder / RECORD_NAME, msgspec.json.format(content, indent=2) + b"\n")


def read_record(folder: Path) -> RunRecord | None:
    """Return the run record in a folder; None if there is none.

    Raises:
        BddsegError: it is there and cannot be read.
    """
    path = folder / RECORD_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except (FileNotFoundError, NotADirectoryError):
        return None
    # UnicodeError: it is not text.
    except (OSError, UnicodeError, msgspec.DecodeError) as error:
        if isinstance(error, msgspec.ValidationError) and _is_frame(path):
            return None
        raise BddsegError(
            f"{path} cannot be read as a run record: {error}.",
            "Choose another output with -o, or use --overwrite.",
        ) from error


def has_record(folder: str | Path) -> bool:
    """Return whether a folder is the output of a run."""
    try:
        return read_record(Path(folder)) is not None
    except BddsegError:
        return False


def _is_frame(path: Path) -> bool:
    """Return whether a file is the Scalabel JSON of a frame, whose name is "run"."""
    content = msgspec.json.decode(path.read_bytes())
    return isinstance(content, dict) and "name" in content and "model" not in content


def find_record(results: Path) -> RunRecord | None:
    """Return the record of the run that wrote a file or a folder of results, or None.

    It lies in the folder itself or, of `OUT/masks` and the like, in the one above.

    Raises:
        BddsegError: it is there and cannot be read.
    """
    return read_record(results) or read_record(results.resolve().parent)

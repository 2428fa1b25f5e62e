"""What a run is asked to do, and the record it leaves."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from bddseg.engine.model import Precision
from bddseg.files import write_atomically
from bddseg.zoo.entry import Entry

RECORD_NAME = "run.json"
_VERSIONED = ("bddseg", "torch", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One model over one source.

    Attributes:
        entry: the model.
        weights: its checkpoint file.
        source: an image, a folder, a glob pattern or a text file of paths.
        out: the folder that gets the masks and the record.
        device: "auto", "cpu", "cuda" or "cuda:N".
        limit: only so many frames, the first ones.
        precision: what the network computes in.
        tta: whether to average over scales and mirror images.
    """

    entry: Entry
    weights: Path
    source: str
    out: Path
    device: str = "auto"
    limit: int | None = None
    precision: Precision = "fp32"
    tta: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A frame that gave no mask, and why."""

    frame: str
    error: str


@dataclass(slots=True, kw_only=True)
class Record:
    """What a run did: the content of `run.json`.

    Attributes:
        status: "running", "finished" or "interrupted".
        model: name of the entry.
        task: name of the task; says what the ids in the masks mean.
        weights: path, size and SHA-256 of the checkpoint.
        arguments: what the run was asked to do.
        versions: of Python and the packages that masks depend on.
        device: what the network ran on.
        started: UTC, ISO 8601.
        frames: number found (after any limit).
        done: number of masks written.
        failures: frames that gave no mask.
        seconds: wall time of loading the model and of the run, and within the run the time spent
            in each stage.
    """

    status: str = "running"
    model: str
    task: str
    weights: dict[str, str | int]
    arguments: dict[str, str | int | None]
    versions: dict[str, str]
    device: str
    started: str
    frames: int
    done: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the record to the run's folder.

        Raises:
            BddsegError: it cannot be written.
        """
        rounded = {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}
        content = json.dumps(asdict(self) | {"seconds": rounded}, indent=2) + "\n"
        write_atomically(folder / RECORD_NAME, content.encode())


def describe_weights(path: Path) -> dict[str, str | int]:
    """Return path, size in bytes and SHA-256 of a checkpoint file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": str(path.resolve()), "size_bytes": path.stat().st_size, "sha256": digest}


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that masks depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _VERSIONED}

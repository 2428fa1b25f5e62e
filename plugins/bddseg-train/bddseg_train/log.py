"""The numbers of a training run, as a file of JSON lines and, if wanted, for tensorboard."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg_train.folder import RunFolder
from bddseg_train.options import TrainOptions


class TrainingLog:
    """Writes the numbers of each step.

    Args:
        folder: Folder of the run. Of a run that goes on, lines of later steps are removed.
        step: Number of steps that were done before.
        options: Whether there are files for tensorboard.

    Raises:
        BddsegError: tensorboard is wanted and not installed, or a file cannot be written.
    """

    def __init__(self, folder: RunFolder, step: int, options: TrainOptions) -> None:
        self._writer = _open_writer(folder.tensorboard, step) if options.tensorboard else None
        kept = [line for line in _read_lines(folder.metrics) if _get_step(line) <= step]
        write_atomically(folder.metrics, "".join(f"{line}\n" for line in kept).encode())
        self._file = folder.metrics.open("a", encoding="utf-8", buffering=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._writer:
            self._writer.close()

    def write(self, step: int, numbers: dict[str, Any]) -> None:
        """Write numbers that hold after so many steps."""
        self._file.write(json.dumps({"step": step, **numbers}) + "\n")
        if self._writer:
            for name, value in _flatten(numbers).items():
                self._writer.add_scalar(name, value, step)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, in order; none where there is no file."""
    return [json.loads(line) for line in _read_lines(path)]


def _read_lines(path: Path) -> list[str]:
    # A killed run can leave a line without its end.
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [line for line in text.splitlines(keepends=False) if line.endswith("}")]


def _get_step(line: str) -> int:
    return int(json.loads(line)["step"])


def _flatten(numbers: dict[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in numbers.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat[prefix + name] = value
    return flat


def _open_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BddsegError(
            "tensorboard is not installed.", "pip install 'bddseg-train[tensorboard]'"
        ) from error
    return SummaryWriter(folder, purge_step=step + 1)

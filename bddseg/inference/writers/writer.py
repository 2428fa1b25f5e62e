"""What a writer is, and the writers of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from bddseg.data.sources.source import FrameRef
from bddseg.inference.prediction import Prediction
from bddseg.io.atomic import write_atomically
from bddseg.registry import Registry, require_class
from bddseg.tasks.task import Task


class Writer(Protocol):
    """Writes the results of a run in one format.

    Attributes:
        needs_image: Predictions have to hold their image.
        needs_logits: Predictions have to hold their logits.
        requires: Names of writers that have to be part of the run too.
    """

    needs_image: ClassVar[bool]
    needs_logits: ClassVar[bool]
    requires: ClassVar[tuple[str, ...]]

    def __init__(self, out: Path, task: Task, source: str) -> None:
        """Prepare for a run; nothing is written yet.

        Args:
            out: The run's folder.
            task: Task of the predictions.
            source: What the run was given as its source.

        Raises:
            BddsegError: a package that it needs is missing, or the source does not fit.
        """
        ...

    def get_path(self, name: str) -> Path | None:
        """Return the file of a frame; None if it has none of its own."""
        ...

    def write(self, item: FrameRef, prediction: Prediction) -> None:
        """Write the result of a frame, complete or not at all; called by several threads.

        Raises:
            BddsegError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Write what is made of all frames; called once, when all are done.

        Raises:
            BddsegError: it cannot be written.
        """
        ...


class FileWriter:
    """A writer of one file for each frame: `OUT/folder/name.suffix`."""

    folder: ClassVar[str]
    suffix: ClassVar[str]
    needs_image: ClassVar[bool] = False
    needs_logits: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, out: Path, task: Task, source: str) -> None:
        self.out = out
        self.task = task
        self.source = source

    def get_path(self, name: str) -> Path | None:
        """Return the file of a frame."""
        return self.out / self.folder / f"{name}{self.suffix}"

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the bytes of a frame's file."""
        raise NotImplementedError

    def write(self, item: FrameRef, prediction: Prediction) -> None:
        """Write the file of a frame; see `Writer.write`."""
        path = self.get_path(item.name)
        assert path is not None
        write_atomically(path, self.encode(item, prediction))

    def close(self) -> None:
        """Do nothing: the files are all there is."""


WRITERS: Registry[type[Writer]] = Registry(
    "bddseg.writers",
    "format",
    check=require_class("get_path", "write", "close", "needs_image", "needs_logits", "requires"),
)


class RunWriters:
    """The writers of a run.

    Args:
        out: The run's folder.
        formats: Names of the writers; those that they require are added.
        task: Task of the predictions.
        source: What the run was given as its source.

    Raises:
        BddsegError: there is no such format, or it cannot be written.
    """

    def __init__(self, out: Path, formats: Sequence[str], task: Task, source: str) -> None:
        required = [name for each in formats for name in WRITERS.load(each).requires]
        names = dict.fromkeys([*required, *formats])
        self._writers = [WRITERS.load(name)(out, task, source) for name in names]
        self.needs_image = any(writer.needs_image for writer in self._writers)
        self.needs_logits = any(writer.needs_logits for writer in self._writers)

    def list_paths(self, name: str) -> list[Path]:
        """Return the files of a frame."""
        paths = (writer.get_path(name) for writer in self._writers)
        return [path for path in paths if path is not None]

    def is_done(self, name: str, since_ns: int) -> bool:
        """Return whether all files of a frame are there and no older than `since_ns`."""
        try:
            return all(path.stat().st_mtime_ns >= since_ns for path in self.list_paths(name))
        except OSError:
            return False

    def write(self, item: FrameRef, prediction: Prediction) -> None:
        """Write all files of a frame."""
        for writer in self._writers:
            writer.write(item, prediction)

    def close(self) -> None:
        """Write what is made of all frames."""
        for writer in self._writers:
            writer.close()

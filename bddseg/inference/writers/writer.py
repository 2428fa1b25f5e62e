"""What a writer is, and the writers of a run."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Protocol

from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction
from bddseg.io.atomic import write_atomically, write_error
from bddseg.io.overwrite import FileId, identify, make_input_error
from bddseg.io.walk import is_inside, walk
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

    def list_outputs(self) -> list[Path]:
        """Return the folders and files that it writes, of all frames together."""
        ...

    def write(self, item: FrameRef, prediction: Prediction) -> None:
        """Write the result of a frame, complete or not at all; called by several threads.

        Raises:
            BddsegError: it cannot be written.
        """
        ...

    def close(self, names: Iterable[str]) -> None:
        """Write what is made of all frames; called once, when all are done.

        Args:
            names: The frames that have results; there may be results of others, of earlier runs.

        Raises:
            BddsegError: it cannot be written.
        """
        ...


def check_name(name: str) -> None:
    """Refuse a frame's name that would lead out of the output folder.

    Raises:
        BddsegError: it is absolute or contains "..".
    """
    if not is_inside(name):
        raise BddsegError(
            f"The frame name {name!r} would lead out of the output folder.",
            "Names are relative paths without '..'.",
        )


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
        """Return the file of a frame; see `check_name`."""
        check_name(name)
        return self.out / self.folder / f"{name}{self.suffix}"

    def list_outputs(self) -> list[Path]:
        """Return the folder of the files."""
        return [self.out / self.folder]

    def encode(self, item: FrameRef, prediction: Prediction) -> bytes:
        """Return the bytes of a frame's file."""
        raise NotImplementedError

    def write(self, item: FrameRef, prediction: Prediction) -> None:
        """Write the file of a frame; see `Writer.write`."""
        path = self.get_path(item.name)
        assert path is not None
        write_atomically(path, self.encode(item, prediction))

    def close(self, names: Iterable[str]) -> None:
        """Do nothing: the files are all there is."""


WRITERS: Registry[type[Writer]] = Registry(
    "bddseg.writers",
    "format",
    check=require_class(
        "get_path", "list_outputs", "write", "close", "needs_image", "needs_logits", "requires"
    ),
)


class RunWriters:
    """The writers of a run.

    Args:
        out: The run's folder.
        formats: Names of the writers; those that they require are added.
        tasks: Tasks of the predictions. Results of the first go to the run's folder, those of each
            other to a folder in it, by the name of the task.
        source: What the run was given as its source.

    Raises:
        BddsegError: there is no such format, or it cannot be written.
    """

    def __init__(
        self, out: Path, formats: Sequence[str], tasks: Sequence[Task], source: str
    ) -> None:
        required = [name for each in formats for name in WRITERS.load(each).requires]
        names = dict.fromkeys([*required, *formats])
        self._by_task = [
            [WRITERS.load(name)(get_task_folder(out, tasks, task), task, source) for name in names]
            for task in tasks
        ]
        self._writers = [writer for writers in self._by_task for writer in writers]
        self.needs_image = any(writer.needs_image for writer in self._writers)
        self.needs_logits = any(writer.needs_logits for writer in self._writers)

    def check_frames(self, refs: Iterable[FrameRef]) -> Iterator[FrameRef]:
        """Yield frames; none of them may be a file that the run could write over.

        Raises:
            BddsegError: a frame is among the results that are there, or see `check_name`.
        """
        outputs = self._list_outputs()
        suffixes = {path.suffix for path in [*self._list_paths("x"), *outputs]} - {""}
        endings = tuple(suffixes) if any(path.exists() for path in outputs) else ()
        existing: set[FileId | None] | None = None
        for ref in refs:
            check_name(ref.name)
            # Most frames are of another kind than the results: only their names are looked at.
            if ref.file.lower().endswith(endings):
                if existing is None:
                    existing = set(map(identify, self.list_existing())) - {None}
                if identify(ref.file) in existing:
                    raise make_input_error(ref.file)
            yield ref

    def list_existing(self) -> Iterator[Path]:
        """Yield the files that are where the results go."""
        for output in self._list_outputs():
            if output.is_dir():
                yield from (Path(entry.path) for entry in walk(output))
            elif output.exists():
                yield output

    def date_back(self, since_ns: int) -> None:
        """Make the results that are there older than a run, whose first file has this time.

        Their clock may have been ahead of ours, and results of the run are told by their time.

        Raises:
            BddsegError: the time of a file cannot be changed.
        """
        for path in self.list_existing():
            try:
                if path.stat().st_mtime_ns >= since_ns:
                    os.utime(path, (0, 0))
            except OSError as error:
                raise write_error(path, error) from error

    def is_done(self, ref: FrameRef, since_ns: int) -> bool:
        """Return whether a frame has results no older than `since_ns`, nor than the frame.

        Where no format has files of single frames, nothing says that a frame is done.
        """
        with suppress(OSError):
            # A source of a plugin may have no files.
            since_ns = max(since_ns, ref.path.stat().st_mtime_ns)
        return bool(self._list_paths(ref.name)) and self._has_results(ref.name, since_ns)

    def write(self, item: FrameRef, predictions: Sequence[Prediction]) -> None:
        """Write all files of a frame, from its predictions in the order of the tasks."""
        for writers, prediction in zip(self._by_task, predictions, strict=True):
            for writer in writers:
                writer.write(item, prediction)

    def close(self, refs: Callable[[], Iterable[FrameRef]], since_ns: int) -> None:
        """Write what is made of all frames.

        Args:
            refs: Returns the frames of the run.
            since_ns: Modification time of the run's first file: older results are not the run's.
        """
        for writer in self._writers:
            writer.close(ref.name for ref in refs() if self._has_results(ref.name, since_ns))

    def _has_results(self, name: str, since_ns: int) -> bool:
        try:
            return all(path.stat().st_mtime_ns >= since_ns for path in self._list_paths(name))
        except OSError:
            return False

    def _list_paths(self, name: str) -> list[Path]:
        check_name(name)
        paths = (writer.get_path(name) for writer in self._writers)
        return [path for path in paths if path is not None]

    def _list_outputs(self) -> list[Path]:
        return [path for writer in self._writers for path in writer.list_outputs()]


def get_task_folder(out: Path, tasks: Sequence[Task], task: Task) -> Path:
    """Return the folder of a task's results in a run: the run's own for the first task."""
    return out if task == tasks[0] else out / task.name

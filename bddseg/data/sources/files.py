"""Image files as a source: one image, a folder, a glob pattern, or a text file of paths."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Self

from bddseg.data.image import read_image
from bddseg.data.sources.source import FrameRef, Selection
from bddseg.data.sources.video import is_video
from bddseg.errors import BddsegError
from bddseg.io.walk import is_below, walk
from bddseg.types import Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
_LIST_SUFFIXES = frozenset({".txt", ".lst", ".list"})


@dataclass(frozen=True, slots=True)
class FileSource:
    """Image files.

    Attributes:
        source: An image, a folder (walked recursively), a glob pattern (`**` crosses folders), or a
            text file with a path on each line, relative ones from the text file's folder.
        limit: Only the first N.
        exclude: A folder that is not walked: where results go.
    """

    source: str
    limit: int | None = None
    exclude: Path | None = None
    is_live = False

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Return whether it is a path that exists, and no video, or a pattern."""
        return not is_video(source) and (Path(source).exists() or glob.has_magic(source))

    @classmethod
    def open(cls, source: str, selection: Selection, *, exclude: Path | None = None) -> Self:
        """Return the source; see `Source.open`."""
        if (selection.start, selection.end, selection.every) != (0, None, 1):
            raise BddsegError(
                f"--start, --end and --every select frames of a video, and {source} is not one.",
                "Use --limit, or a list of the frames that you want.",
            )
        return cls(source, selection.limit, exclude)

    def items(self) -> Iterator[FrameRef]:
        """Yield the images, sorted by name; those of a list file in its order.

        Raises:
            BddsegError: there are none, or the source cannot be read.
        """
        refs = self._list()
        first = next(refs, None)
        if first is None:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            inside = self.exclude is not None and is_below(self.source, self.exclude)
            where = f" outside the output folder {self.exclude}" if inside else ""
            raise BddsegError(
                f"{self.source} holds no frames{where}.", f"Frames are files ending in {suffixes}."
            )
        yield from islice(chain([first], refs), self.limit)

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image | BddsegError]]:
        """Yield the images in order, or why one cannot be read."""
        for ref in refs:
            try:
                yield ref, read_image(ref.path)
            except BddsegError as error:
                yield ref, error

    def _list(self) -> Iterator[FrameRef]:
        path = Path(self.source)
        if path.is_dir():
            return _refer((entry.path for entry in walk(path, exclude=self.exclude)), path)
        if path.is_file() and path.suffix.lower() in _LIST_SUFFIXES:
            return _read_list(path)
        if path.exists():
            return iter([FrameRef(str(path), path.stem)])
        return self._match_pattern()

    def _match_pattern(self) -> Iterator[FrameRef]:
        parts = Path(self.source).parts
        fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
        matches = (
            match
            for match in glob.iglob(self.source, recursive=True)  # noqa: PTH207
            if Path(match).is_file() and not (self.exclude and is_below(match, self.exclude))
        )
        return _refer(matches, Path(*parts[:fixed]))


def find_images(source: str, *, exclude: Path | None = None) -> list[FrameRef]:
    """Return all images that a source of files names.

    Raises:
        BddsegError: it does not exist, holds none, or two would have the same name.
    """
    if not FileSource.accepts(source):
        raise BddsegError(
            f"{source} does not exist.",
            "Give an image, a folder, a glob pattern in quotes, or a text file of paths.",
        )
    refs = FileSource.open(source, Selection(), exclude=exclude).items()

    def refuse(_ref: FrameRef, error: BddsegError) -> None:
        raise error

    return list(drop_duplicates(refs, refuse))


def drop_duplicates(
    refs: Iterable[FrameRef], report: Callable[[FrameRef, BddsegError], None]
) -> Iterator[FrameRef]:
    """Yield the frames without those that have the name of an earlier one, which are reported.

    Args:
        refs: The frames.
        report: Gets each duplicate with its error.
    """
    first: dict[str, str] = {}
    for ref in refs:
        other = first.setdefault(ref.name, ref.file)
        if other == ref.file:
            yield ref
            continue
        error = BddsegError(
            f"{other} and {ref.file} would both become {ref.name}.",
            "Rename one of them, or run them into two folders.",
        )
        report(ref, error)


def is_image(path: str | Path) -> bool:
    """Return whether a file's name says that it is an image."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _refer(files: Iterable[str], root: Path) -> Iterator[FrameRef]:
    """Yield the images among the files below a folder, sorted by name."""
    start = 0 if str(root) == "." else len(os.path.join(root, ""))  # noqa: PTH118
    split = ((os.path.splitext(file), file) for file in files)  # noqa: PTH122
    images = (
        (stem[start:].replace(os.sep, "/"), file)
        for (stem, suffix), file in split
        if suffix.lower() in IMAGE_SUFFIXES
    )
    for name, file in sorted(images):
        yield FrameRef(file, name)


def _read_list(file: Path) -> Iterator[FrameRef]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BddsegError(f"Cannot read the list {file}: {error}.", "Is it a text file?") from error
    paths = [Path(os.path.normpath(file.parent / line.strip())) for line in lines if line.strip()]
    root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    for path in dict.fromkeys(paths):
        yield FrameRef(str(path), path.relative_to(root).with_suffix("").as_posix())

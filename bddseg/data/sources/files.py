"""Image files as a source: one image, a folder, a glob pattern, or a text file of paths."""

import glob
import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Self

from bddseg.data.image import CAN_READ_HEIC, HEIC_SUFFIXES, read_image
from bddseg.data.sources.source import FrameRef, Selection
from bddseg.data.sources.video import VIDEO_SUFFIXES, is_video
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.io.overwrite import identify
from bddseg.io.read import read_lines
from bddseg.io.walk import is_below, walk
from bddseg.progress import pluralize
from bddseg.record import has_record
from bddseg.types import Image

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}
    | (HEIC_SUFFIXES if CAN_READ_HEIC else set())
)
# Images, but none that are read: users are told how many were skipped.
_OTHER_SUFFIXES = (HEIC_SUFFIXES | {".avif", ".gif", ".jp2", ".jxl", ".dng"}) - IMAGE_SUFFIXES
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
        """Return whether it is a path that exists, and holds no videos alone, or a pattern."""
        if not Path(source).exists():
            # A URL can have "?" and brackets, too.
            return glob.has_magic(source) and "://" not in source
        return not is_video(source) and not is_video_folder(source)

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
            if has_record(path):
                raise BddsegError(
                    f"{path} is the output of a run.",
                    "Give the folder of its frames or one of its results, such as "
                    f"{path / 'overlays'}.",
                )
            return _refer((entry.path for entry in walk(path, skip=self._is_output)), path)
        if path.is_file() and path.suffix.lower() in _LIST_SUFFIXES:
            return _read_list(path)
        if path.exists():
            return iter([FrameRef(str(path), path.stem)])
        return self._match_pattern(path.parts)

    def _match_pattern(self, parts: tuple[str, ...]) -> Iterator[FrameRef]:
        fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
        root, patterns = Path(*parts[:fixed]), parts[fixed:]
        start = _count_prefix(root)
        *folders, last = (*patterns, "*") if patterns[-1] == "**" else patterns

        def skip(folder: str) -> bool:
            inner = folder[start:].split(os.sep)  # noqa: PTH206
            may_match = "**" in folders or _matches(inner, folders[: len(inner)])
            return not may_match or self._is_output(folder)

        # The folders of hundreds of thousands of files are few.
        @cache
        def is_searched(folder: str) -> bool:
            return _matches(folder.split(os.sep) if folder else [], folders)  # noqa: PTH206

        files = (
            entry.path
            for entry in walk(root, skip=skip)
            if is_searched(entry.path[start : -len(entry.name) - 1]) and fnmatch(entry.name, last)
        )
        return _refer(files, root)

    def _is_output(self, folder: str) -> bool:
        """Return whether a folder holds results of this run or of an earlier one."""
        is_own = self.exclude is not None and identify(folder) == identify(self.exclude)
        return is_own or has_record(folder)


def find_images(
    source: str, *, exclude: Path | None = None, labels: Collection[Path] = ()
) -> list[FrameRef]:
    """Return all images that a source of files names.

    Args:
        source: An image, a folder, a glob pattern or a list file.
        exclude: A folder of results, which is left out.
        labels: Label files, which are no images; they may lie beside the images.

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

    images = list(drop_duplicates((ref for ref in refs if ref.path not in labels), refuse))
    if not images:
        raise BddsegError(f"{source} holds no images but labels.", "Give the folder of the frames.")
    return images


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


def is_video_folder(source: str | Path) -> bool:
    """Return whether a folder holds videos and no images; results of runs do not count."""
    if not Path(source).is_dir() or has_record(source):
        return False
    holds_videos = False
    for entry in walk(Path(source), skip=has_record):
        if is_image(entry.name):
            return False
        holds_videos = holds_videos or Path(entry.name).suffix.lower() in VIDEO_SUFFIXES
    return holds_videos


def is_image(path: str | Path) -> bool:
    """Return whether a file's name says that it is an image."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Return whether a path matches a pattern, part by part; `**` is any number of folders."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches(parts[skipped:], patterns[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], patterns[0]) and _matches(parts[1:], patterns[1:])


def _count_prefix(root: Path) -> int:
    """Return how many characters of the paths that are found below a folder are the folder's."""
    return len(os.path.join(root, ""))  # noqa: PTH118


def _refer(files: Iterable[str], root: Path) -> Iterator[FrameRef]:
    """Yield the images among the files below a folder, sorted by name."""
    start = _count_prefix(root)
    split = ((os.path.splitext(file), file) for file in files)  # noqa: PTH122
    others: Counter[str] = Counter()

    def is_frame(suffix: str) -> bool:
        if suffix in IMAGE_SUFFIXES:
            return True
        if suffix in _OTHER_SUFFIXES:
            others[suffix] += 1
        return False

    images = sorted(
        (stem[start:].replace(os.sep, "/"), file)
        for (stem, suffix), file in split
        if is_frame(suffix.lower())
    )
    if others:
        _warn_of_others(root, others)
    for name, file in images:
        yield FrameRef(file, name)


def _warn_of_others(root: Path, others: "Counter[str]") -> None:
    listed = ", ".join(f"{number:,} {suffix}" for suffix, number in sorted(others.items()))
    text = f"{pluralize(others.total(), 'image')} in {root} skipped: {listed}. Convert them to PNG"
    if HEIC_SUFFIXES & others.keys():
        text += ", or read HEIC: pip install 'bddseg[heic]'"
    warnings.warn(f"{text}.", BddsegWarning, stacklevel=2)


def _read_list(file: Path) -> Iterator[FrameRef]:
    paths = dict.fromkeys(os.path.normpath(file.parent / line) for line in read_lines(file))
    # Lines may mix absolute paths with relative ones.
    parents = [os.path.dirname(os.path.abspath(path)) for path in paths]  # noqa: PTH100, PTH120
    root = os.path.commonpath(parents) if paths else ""
    for path in paths:
        name = Path(os.path.relpath(path, root)).with_suffix("")
        yield FrameRef(path, name.as_posix())

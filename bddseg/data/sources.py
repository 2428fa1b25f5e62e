"""Sources: the frames that a path, a pattern, a list or a video names, without reading them.

A folder is walked as it is used, so that one of a million files costs neither time nor memory.
"""

import glob
import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from bddseg.data.frames import Frame, read_frame
from bddseg.errors import BddsegError

FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts"}
)
_LIST_SUFFIXES = frozenset({".txt", ".lst", ".list"})


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where a frame is.

    Attributes:
        path: of the image or video file.
        name: its place below the source without the suffix, such as "night/0001"; what is made
            from the frame is stored under this name.
        index: its number in a video, counted from 0 in the order of display.
        segment: frames of one segment are best read together, in order.
        twin: another file, found before, whose results have the same name: this one is not read.
    """

    path: Path
    name: str
    index: int | None = None
    segment: int = 0
    twin: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which frames of a source.

    Attributes:
        limit: only so many, the first ones by name.
        start: of a video, from this frame on.
        end: of a video, up to and without this frame.
        every: of a video, each so many-th frame from the start on.
    """

    limit: int | None = None
    start: int = 0
    end: int | None = None
    every: int = 1


def iterate_frames(
    source: str, selection: Selection | None = None, *, exclude: Path | None = None
) -> Iterator[FrameRef]:
    """Yield the frames that a source names, as they are found.

    Args:
        source: an image file; a folder, walked recursively in whatever order the system gives; a
            glob pattern (`**` crosses folders); a text file with a path on each line, relative ones
            from the text file's folder; or a video.
        selection: which of them.
        exclude: a folder that is not walked: where results go.

    Raises:
        BddsegError: the source does not exist or holds no frame.
    """
    selection = selection or Selection()
    if is_video(source):
        return iter(_list_video(Path(source), selection))
    if (selection.start, selection.end, selection.every) != (0, None, 1):
        raise BddsegError(
            f"--start, --end and --every choose frames of a video, and {source} is none.",
            "Use --limit, or a list of the frames that you want.",
        )
    frames = _iterate_files(source, exclude)
    first = next(frames, None)
    if first is None:
        kinds = " ".join(sorted(FRAME_SUFFIXES))
        outside = (
            f" outside the output folder {exclude}" if _is_below(exclude, Path(source)) else ""
        )
        raise BddsegError(
            f"{source} holds no frames{outside}.", f"Frames are files ending in {kinds}."
        )
    frames = chain([first], frames)
    if selection.limit is not None:
        return iter(heapq.nsmallest(selection.limit, frames, key=lambda frame: frame.name))
    return frames


def find_frames(source: str, *, exclude: Path | None = None) -> list[FrameRef]:
    """Return all frames that a source of images names; sorted, but a list keeps its order.

    Raises:
        BddsegError: as `iterate_frames`, or two frames have one name.
    """
    frames = list(iterate_frames(source, exclude=exclude))
    if Path(source).is_dir():
        frames.sort(key=lambda frame: frame.path)
    twin = next((frame for frame in frames if frame.twin), None)
    if twin:
        raise describe_twin(twin)
    return frames


def read_frames(refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Frame | BddsegError]]:
    """Yield frames in order, or why they cannot be read. Those of a video are of one segment."""
    if refs and refs[0].index is not None:
        yield from _read_video(refs)
        return
    for ref in refs:
        try:
            yield ref, read_frame(ref.path)
        except BddsegError as error:
            yield ref, error


def is_frame(path: str | Path) -> bool:
    """Return whether a file's name says that it is an image."""
    return os.path.splitext(path)[1].lower() in FRAME_SUFFIXES  # noqa: PTH122


def is_video(source: str) -> bool:
    """Return whether a source is a video file."""
    path = Path(source)
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def describe_twin(ref: FrameRef) -> BddsegError:
    """Return the error for a frame whose results would take the place of another's."""
    return BddsegError(
        f"{ref.twin} and {ref.path} would both become {ref.name}.",
        "Rename one of them, or run them into two folders.",
    )


def _iterate_files(source: str, exclude: Path | None) -> Iterator[FrameRef]:
    path = Path(source)
    if path.is_dir():
        return _walk(path, exclude)
    if path.is_file() and path.suffix.lower() in _LIST_SUFFIXES:
        return _mark_twins(_read_list(path))
    if path.is_file():
        return iter([FrameRef(path, path.stem)])
    if glob.has_magic(source):
        return _mark_twins(_match_pattern(source, exclude))
    raise BddsegError(
        f"{source} does not exist.",
        "Give an image, a folder, a glob pattern in quotes, a text file of paths, or a video.",
    )


def _walk(root: Path, exclude: Path | None) -> Iterator[FrameRef]:
    """Yield the images below a folder, hidden ones left out, links to folders followed."""
    left_out = os.path.realpath(exclude) if exclude else None
    seen = {os.path.realpath(root)}
    folders = [root]
    while folders:
        folder = folders.pop()
        suffixes: set[str] = set()
        for entry in _scan(folder):
            if _is_folder(entry):
                # Data sets are full of links; one that leads back up must not walk in circles.
                real = os.path.realpath(entry.path)
                if real not in seen and real != left_out:
                    folders.append(Path(entry.path))
                seen.add(real)
            elif is_frame(entry.name):
                yield _refer(entry, root, suffixes)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder; a link that leads nowhere is for its reader to name."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _scan(folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise BddsegError(f"Cannot read the folder {folder}: {error.strerror}.") from error


def _refer(entry: "os.DirEntry[str]", root: Path, suffixes: set[str]) -> FrameRef:
    """Return the frame of a directory entry.

    Two images of one folder can have the same name only if their suffixes differ, so it is enough
    to look for twins with the other suffixes met in the folder so far: in most folders, none.
    """
    path = Path(entry.path)
    name = _name(path.relative_to(root))
    others = (path.with_suffix(suffix) for suffix in suffixes if suffix != path.suffix)
    twin = next((other for other in others if os.path.lexists(other)), None)
    suffixes.add(path.suffix)
    return FrameRef(path, name, twin=twin)


def _match_pattern(pattern: str, exclude: Path | None) -> Iterator[FrameRef]:
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    for match in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207
        path = Path(match)
        if is_frame(path) and path.is_file() and not _is_below(path, exclude):
            yield FrameRef(path, _name(path.relative_to(root)))


def _read_list(file: Path) -> Iterator[FrameRef]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BddsegError(f"Cannot read the list {file}: {error}.", "Is it a text file?") from error
    paths = [Path(os.path.normpath(file.parent / line.strip())) for line in lines if line.strip()]
    root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    for path in dict.fromkeys(paths):
        yield FrameRef(path, _name(path.relative_to(root)))


def _mark_twins(frames: Iterable[FrameRef]) -> Iterator[FrameRef]:
    first: dict[str, Path] = {}
    for frame in frames:
        other = first.setdefault(frame.name, frame.path)
        yield frame if other == frame.path else replace(frame, twin=other)


def _list_video(path: Path, selection: Selection) -> list[FrameRef]:
    from bddseg.data.video import index_video

    index = index_video(path)
    end = len(index.times) if selection.end is None else min(selection.end, len(index.times))
    numbers = list(range(selection.start, end, selection.every))[: selection.limit]
    if not numbers:
        raise BddsegError(
            f"{path} has {len(index.times)} frames, none of which was chosen.",
            "Correct --start, --end and --every.",
        )
    return [
        FrameRef(path, f"{number:06}", number, index.find_segment(number)) for number in numbers
    ]


def _read_video(refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Frame | BddsegError]]:
    from bddseg.data.video import read_video_frames

    by_index = {ref.index: ref for ref in refs}
    numbers = [ref.index for ref in refs if ref.index is not None]
    for number, frame in read_video_frames(refs[0].path, numbers):
        yield by_index[number], frame


def _is_below(path: str | Path | None, folder: Path | None) -> bool:
    if path is None or folder is None:
        return False
    return Path(path).resolve().is_relative_to(folder.resolve())


def _name(relative: Path) -> str:
    return relative.with_suffix("").as_posix()

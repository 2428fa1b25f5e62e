"""Frames on disk: reading one, and finding all that a source names."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.errors import BddsegError
from bddseg.files import list_files, write_atomically

Frame = npt.NDArray[np.uint8]

FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
_LIST_SUFFIXES = frozenset({".txt", ".lst", ".list"})


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A frame on disk.

    Attributes:
        path: of the image file.
        name: its place below the source without the suffix, such as "night/0001"; what is made
            from the frame is stored under this name.
    """

    path: Path
    name: str


def read_frame(path: Path) -> Frame:
    """Return the image at `path` as RGB, (H, W, 3), uint8, turned upright if EXIF says so.

    Raises:
        BddsegError: the file cannot be read or is no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BddsegError(f"Cannot read {path}: {error.strerror or error}.") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise BddsegError(f"{path} is no image that can be decoded ({data.size} bytes).")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def write_jpeg(path: Path, frame: Frame, *, quality: int = 95) -> None:
    """Write an RGB image, (H, W, 3), uint8, as JPEG; the file is whole or absent.

    Raises:
        BddsegError: the file cannot be written.
    """
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    write_atomically(path, data.tobytes())


def find_frames(source: str, *, exclude: Path | None = None) -> list[FrameFile]:
    """Return the frames that a source names, sorted by path; a list keeps its order.

    Args:
        source: an image file; a folder, walked recursively; a glob pattern (`**` crosses folders);
            or a text file with a path on each line, relative ones from the text file's folder.
        exclude: a folder that is not walked: where results go.

    Raises:
        BddsegError: the source does not exist or holds no frame, or two frames have one name.
    """
    path = Path(source)
    if path.is_dir():
        frames = _find_in_folder(path, exclude)
    elif path.is_file() and path.suffix.lower() in _LIST_SUFFIXES:
        frames = _read_list(path)
    elif path.is_file():
        frames = [FrameFile(path, path.stem)]
    elif glob.has_magic(source):
        frames = _match_pattern(source, exclude)
    else:
        raise BddsegError(
            f"{source} does not exist.",
            "Give an image, a folder, a glob pattern in quotes, or a text file of paths.",
        )
    if not frames:
        kinds = " ".join(sorted(FRAME_SUFFIXES))
        outside = f" outside the output folder {exclude}" if _is_below(exclude, path) else ""
        raise BddsegError(
            f"{source} holds no frames{outside}.", f"Frames are files ending in {kinds}."
        )
    _check_names(frames)
    return frames


def _find_in_folder(folder: Path, exclude: Path | None) -> list[FrameFile]:
    paths = [path for path in list_files(folder, is_frame) if not _is_below(path, exclude)]
    return [FrameFile(path, _name(path.relative_to(folder))) for path in paths]


def _match_pattern(pattern: str, exclude: Path | None) -> list[FrameFile]:
    matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207
    paths = [path for path in matches if path.is_file() and is_frame(path)]
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    return [
        FrameFile(path, _name(path.relative_to(root)))
        for path in paths
        if not _is_below(path, exclude)
    ]


def _read_list(file: Path) -> list[FrameFile]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BddsegError(f"Cannot read the list {file}: {error}.", "Is it a text file?") from error
    paths = [Path(os.path.normpath(file.parent / line.strip())) for line in lines if line.strip()]
    root = _common_folder(paths)
    return [FrameFile(path, _name(path.relative_to(root))) for path in paths]


def _common_folder(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()


def is_frame(path: Path) -> bool:
    """Return whether a file's name says that it is an image."""
    return path.suffix.lower() in FRAME_SUFFIXES


def _is_below(path: Path | None, folder: Path | None) -> bool:
    if path is None or folder is None:
        return False
    return path.resolve().is_relative_to(folder.resolve())


def _name(relative: Path) -> str:
    return relative.with_suffix("").as_posix()


def _check_names(frames: Sequence[FrameFile]) -> None:
    first: dict[str, Path] = {}
    for frame in frames:
        if frame.name in first:
            raise BddsegError(
                f"{first[frame.name]} and {frame.path} would both become {frame.name}.png.",
                "Rename one of them, or run them into two folders.",
            )
        first[frame.name] = frame.path

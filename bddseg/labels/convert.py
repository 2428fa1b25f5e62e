"""Label maps from one encoding to another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bddseg.data.masks import Labels, encode_mask, list_masks
from bddseg.data.rle import decode_frames
from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.labels.encodings import Encoding, inspect_file, judge, read_colors
from bddseg.labels.kinds import Target
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import UNKNOWN_ID, Task
from bddseg.vis.colorize import encode_colormap


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What converting came to.

    Attributes:
        source: the encoding that was read.
        written: number of files.
        failures: one for each file that could not be converted.
    """

    source: Encoding
    written: int
    failures: tuple[BddsegError, ...]


def convert_labels(
    folder: Path,
    out: Path,
    task: Task,
    *,
    source: Encoding | None = None,
    target: Target = Target.CURRENT,
    workers: int = 1,
    track: Track = track_silently,
) -> Conversion:
    """Write each label map below a folder in another encoding, under the same name.

    Args:
        folder: of PNG files.
        out: another folder.
        task: what they are labels of.
        source: the encoding they are in; without, it is recognised, and must be plain.
        target: the encoding that is written.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: there are no files, `out` is the folder itself, or the encoding is unclear.
    """
    if out.resolve() == folder.resolve():
        raise BddsegError(
            f"{folder} would be converted into itself.", "Choose another folder with -o."
        )
    paths = list_masks(folder)
    encoding = source or _recognize(paths, folder, task)
    convert = partial(
        _convert_file, folder=folder, out=out, task=task, source=encoding, target=target
    )
    outcomes = list(map_in_threads(convert, track(paths, "Converting"), workers))
    failures = tuple(outcome for outcome in outcomes if outcome is not None)
    return Conversion(source=encoding, written=len(paths) - len(failures), failures=failures)


def convert_rle(file: Path, out: Path, task: Task) -> Conversion:
    """Write a mask for each frame of a Scalabel JSON file with run-length encoded labels.

    Pixels that no label covers become the background, or unknown where the task has none; of
    labels that overlap, the later one counts.

    Raises:
        BddsegError: the file cannot be read, or pycocotools is missing.
    """
    written = 0
    for name, labels in decode_frames(file, task):
        write_atomically(out / f"{Path(name).stem}.png", encode_mask(labels))
        written += 1
    return Conversion(source=Encoding.CURRENT, written=written, failures=())


def _recognize(paths: list[Path], folder: Path, task: Task) -> Encoding:
    verdict = judge([inspect_file(path, task) for path in paths])
    if verdict.encoding in (Encoding.UNSURE, Encoding.OTHER) or verdict.confidence < 1:
        raise BddsegError(
            f"The encoding of {folder} is not plain: {verdict.encoding}, of which "
            f"{verdict.confidence:.0%} of {verdict.telling} telling files are.",
            f"Look at it with `bddseg labels check {folder}`, then say --from.",
        )
    return verdict.encoding


def _convert_file(
    path: Path, *, folder: Path, out: Path, task: Task, source: Encoding, target: Target
) -> None:
    labels = _READERS[source](path, task)
    if target is Target.COLOR:
        data = encode_colormap(labels, task)
    else:
        data = encode_mask(_to_legacy(labels, task) if target is Target.LEGACY else labels)
    write_atomically(out / path.relative_to(folder), data)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError) as error:
        raise BddsegError(f"{path} cannot be read: {error}.", "Make it again.") from error


def _read_ids(path: Path, task: Task) -> Labels:
    image = _open(path)
    if image.mode not in ("L", "P"):
        raise BddsegError(f"{path}: its mode is {image.mode}, and ids were expected.")
    labels = np.asarray(image, np.uint8)
    outside = (labels >= len(task.classes)) & (labels != UNKNOWN_ID)
    if outside.any():
        raise BddsegError(f"{path} has id {int(labels[outside][0])}, which {task.name} has not.")
    return labels


def _read_legacy(path: Path, task: Task) -> Labels:
    return _shift(_read_ids(path, task), len(task.classes), -1)


def _read_color(path: Path, task: Task) -> Labels:
    try:
        return read_colors(np.asarray(_open(path).convert("RGB")), task)
    except BddsegError as error:
        raise BddsegError(f"{path}: {error.message}.", error.hint) from error


def _refuse(path: Path, task: Task) -> Labels:
    raise BddsegError(
        f"{path}: bitmasks of instances have no {task.name} labels.",
        "Take the dataset's labels of that task.",
    )


def _to_legacy(labels: Labels, task: Task) -> Labels:
    return _shift(labels, len(task.classes), 1)


def _shift(labels: Labels, classes: int, step: int) -> Labels:
    """Return ids moved by `step` around the circle of classes; the background goes to the end."""
    table = np.arange(256, dtype=np.uint8)
    table[:classes] = (np.arange(classes) + step) % classes
    return table[labels]


_READERS: Mapping[Encoding, Callable[[Path, Task], Labels]] = {
    Encoding.CURRENT: _read_ids,
    Encoding.LEGACY: _read_legacy,
    Encoding.COLOR: _read_color,
    Encoding.BITMASK: _refuse,
}

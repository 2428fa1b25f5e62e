"""Label maps from one encoding to another."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from bddseg.data.masks import Labels, encode_mask, list_masks
from bddseg.data.scalabel import (
    Frame,
    encode_frame,
    get_blank_id,
    has_polygons,
    is_scalabel,
    read_scalabel,
    write_scalabel,
)
from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.labels.encodings import Encoding, inspect_file, judge, read_colors
from bddseg.labels.kinds import Target
from bddseg.labels.polygons import draw_polygons
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks import FRAME_SIZE_HW, UNKNOWN_ID, Task
from bddseg.vis.colorize import encode_colormap


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What converting came to.

    Attributes:
        source: what was read, in a word.
        converted: number of frames.
        failures: one for each frame that could not be converted.
    """

    source: str
    converted: int
    failures: tuple[BddsegError, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """A label map, and the path that it gets below the output, as a PNG file."""

    target: Path
    read: Callable[[], Labels]


def convert_labels(
    source: Path,
    out: Path,
    task: Task,
    *,
    encoding: Encoding | None = None,
    target: Target = Target.CURRENT,
    workers: int = 1,
    track: Track = track_silently,
) -> Conversion:
    """Write each label map in another encoding, under the same name.

    Args:
        source: a folder of PNG files; a JSON file of Scalabel's format with run-length encoded
            masks or polygons, or a folder of such files.
        out: another folder; of run-length encoded masks, a JSON file.
        task: what they are labels of.
        encoding: of PNG files; without, it is recognised, and must be plain.
        target: the encoding that is written.
        workers: number of threads, or processes where polygons are drawn.
        track: shows progress.

    Raises:
        BddsegError: there are no files, `out` is the source itself or of the wrong kind, the
            encoding is unclear, or the extra that draws polygons is missing.
    """
    if out.resolve() == source.resolve():
        raise BddsegError(
            f"{source} would be converted into itself.", "Choose another output with -o."
        )
    if (out.suffix == ".json") != (target is Target.RLE):
        kind = "a JSON file, such as drivable.json" if target is Target.RLE else "a folder"
        raise BddsegError(f"-o {out}: {target} is written as {kind}.", "Choose another output.")
    failures: list[BddsegError] = []
    with _find_items(source, task, encoding, workers) as (described, items):
        _refuse_twins(source, items, by_stem=target is Target.RLE)
        steps = track(items, "Converting")
        if target is Target.RLE:
            encode = partial(_encode_item, task=task)
            write_scalabel(out, _sift(map_in_threads(encode, steps, workers), failures))
        else:
            write = partial(_write_item, out=out, task=task, target=target)
            for _ in _sift(map_in_threads(write, steps, workers), failures):
                pass
        return Conversion(
            source=described, converted=len(items) - len(failures), failures=tuple(failures)
        )


T = TypeVar("T")


def _sift(outcomes: Iterator[T | BddsegError], failures: list[BddsegError]) -> Iterator[T]:
    for outcome in outcomes:
        if isinstance(outcome, BddsegError):
            failures.append(outcome)
        else:
            yield outcome


@contextmanager
def _find_items(
    source: Path, task: Task, encoding: Encoding | None, workers: int
) -> Iterator[tuple[str, Sequence[_Item]]]:
    """Give what a source is, and its label maps, as long as they can be read."""
    if not is_scalabel(source):
        paths = list_masks(source)
        encoding = encoding or _recognize(paths, source, task)
        read = _READERS[encoding]
        yield (
            encoding,
            [_Item(path.relative_to(source), partial(read, path, task)) for path in paths],
        )
        return
    frames = read_scalabel(source, task)
    if not has_polygons(frames):
        yield (
            "rle",
            [
                _Item(Path(f"{frame.name}.png"), partial(_read_rle, frame.read, task))
                for frame in frames
            ],
        )
        return
    with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
        draw_polygons(source, Path(folder), task, workers)
        yield (
            "poly2d",
            [
                _Item(Path(path.name), partial(_read_ids, path, task))
                for path in list_masks(Path(folder))
            ],
        )


def _refuse_twins(source: Path, items: Sequence[_Item], *, by_stem: bool) -> None:
    """Refuse two label maps that would get one name, of which one would be lost."""
    names = Counter(item.target.stem if by_stem else str(item.target) for item in items)
    ((name, count),) = names.most_common(1) or [("", 0)]
    if count > 1:
        raise BddsegError(
            f"{source} has {count} label maps that would be named {name}.",
            "Rename all but one, or convert them one folder at a time.",
        )


def _read_rle(read: Callable[[], Labels | None], task: Task) -> Labels:
    labels = read()
    return np.full(FRAME_SIZE_HW, get_blank_id(task), np.uint8) if labels is None else labels


def _encode_item(item: _Item, task: Task) -> Frame:
    # The official tool pairs frames by their whole name, and the dataset's are JPEG files.
    return encode_frame(f"{item.target.stem}.jpg", item.read(), task)


def _write_item(item: _Item, out: Path, task: Task, target: Target) -> None:
    labels = item.read()
    if target is Target.COLOR:
        data = encode_colormap(labels, task)
    else:
        data = encode_mask(_to_legacy(labels, task) if target is Target.LEGACY else labels)
    write_atomically(out / item.target, data)


def _recognize(paths: list[Path], folder: Path, task: Task) -> Encoding:
    verdict = judge([inspect_file(path, task) for path in paths])
    if verdict.encoding in (Encoding.UNSURE, Encoding.OTHER) or verdict.confidence < 1:
        raise BddsegError(
            f"The encoding of {folder} is not plain: {verdict.encoding}, of which "
            f"{verdict.confidence:.0%} of {verdict.telling} telling files are.",
            f"Look at it with `bddseg labels check {folder}`, then say --from.",
        )
    return verdict.encoding


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
        raise BddsegError(
            f"{path}: its mode is {image.mode}, and ids were expected.",
            "Say what the files are with --from.",
        )
    labels = np.asarray(image, np.uint8)
    outside = (labels >= len(task.classes)) & (labels != UNKNOWN_ID)
    if outside.any():
        raise BddsegError(
            f"{path} has id {int(labels[outside][0])}, which {task.name} has not.",
            "Is it of another task? Say which with -t.",
        )
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

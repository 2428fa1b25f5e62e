"""Scalabel's JSON, the format of the dataset's labels and of results with run-length encoded masks.

A file is a list of frames, or `{"frames": [...]}`. A frame is `{"name", "labels": [{"id",
"category", "rle": {"counts", "size"}}]}`; the dataset's own labels have `poly2d` instead of `rle`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from bddseg.data.masks import Labels
from bddseg.data.rle import decode_rle, encode_rle
from bddseg.data.sources import FRAME_SUFFIXES
from bddseg.errors import BddsegError
from bddseg.files import RECORD_NAME, list_files, open_atomically
from bddseg.tasks import UNKNOWN_ID, Task


class Rle(msgspec.Struct):
    """A mask: COCO's compressed counts, and (height, width)."""

    counts: str
    size: tuple[int, int]


class Label(msgspec.Struct, omit_defaults=True):
    """One region of a frame: a mask, or polygons as the dataset has them."""

    category: str
    id: str | int | None = None
    rle: Rle | None = None
    poly2d: list[object] | None = None


class Size(msgspec.Struct):
    """Of a frame, in pixels."""

    height: int
    width: int


class Frame(msgspec.Struct, omit_defaults=True):
    """What is known about one frame."""

    name: str
    labels: list[Label] | None = None
    size: Size | None = None


class _Document(msgspec.Struct):
    """A file whose outermost value is an object: frames, or a single one."""

    frames: list[Frame] | None = None
    name: str | None = None
    labels: list[Label] | None = None
    size: Size | None = None


_DECODER: msgspec.json.Decoder[list[Frame] | _Document] = msgspec.json.Decoder(
    list[Frame] | _Document
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalabelFrame:
    """A frame of a file, as a label map of a task."""

    path: Path
    frame: Frame
    task: Task

    @property
    def name(self) -> str:
        """The frame's name without the suffix of an image."""
        name = Path(self.frame.name)
        return name.stem if name.suffix.lower() in FRAME_SUFFIXES else name.name

    @property
    def origin(self) -> str:
        """Where it stands."""
        return f"{self.path}, frame {self.frame.name}"

    def read(self) -> Labels | None:
        """Return the labels, (H, W), uint8; None if there are none, and no size.

        As in the official evaluator, pixels that no label covers are background, or unknown where
        the task has none; labels of the background and of other tasks are passed over; of labels
        that overlap, the later one counts.

        Raises:
            BddsegError: a label is wrong, or sizes differ.
        """
        encoded = [
            (self.task.classes.index(label.category), label.rle)
            for label in self.frame.labels or []
            if label.rle and label.category in self.task.scored_classes
        ]
        sizes = {rle.size for label in self.frame.labels or [] if (rle := label.rle)}
        if self.frame.size:
            sizes.add((self.frame.size.height, self.frame.size.width))
        if len(sizes) > 1:
            listed = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
            raise self._wrong(f"its labels have different sizes: {listed}")
        if not sizes:
            return None
        labels = np.full(sizes.pop(), get_blank_id(self.task), np.uint8)
        for number, rle in encoded:
            try:
                labels[decode_rle(rle.counts, rle.size)] = number
            except ValueError as error:
                raise self._wrong(f"{self.task.classes[number]}: {error}") from error
        return labels

    def _wrong(self, what: str) -> BddsegError:
        return BddsegError(f"{self.origin}: {what}.", "Make the file again, or mend the label.")


def get_blank_id(task: Task) -> int:
    """Return the id of pixels that no label covers."""
    return UNKNOWN_ID if task.background is None else len(task.classes) - 1


def is_scalabel(source: Path) -> bool:
    """Return whether a source is a JSON file, or a folder of such files and no masks."""
    if not source.is_dir():
        return source.suffix == ".json"
    return bool(_list_json(source)) and not list_files(source, lambda path: path.suffix == ".png")


def read_scalabel(source: Path, task: Task) -> list[ScalabelFrame]:
    """Return the frames of a JSON file, or of the JSON files of a folder, without its subfolders.

    Raises:
        BddsegError: a file cannot be read, or no label is of the task.
    """
    paths = _list_json(source) if source.is_dir() else [source]
    frames = [
        ScalabelFrame(path=path, frame=frame, task=task) for path in paths for frame in _read(path)
    ]
    found = {label.category for each in frames for label in each.frame.labels or []}
    if found and not found & set(task.classes):
        raise BddsegError(
            f"No label in {source} is of {task.name}; they are {', '.join(sorted(found)[:5])}.",
            f"{task.name} has {', '.join(task.classes)}; choose another task with -t.",
        )
    return frames


def has_polygons(frames: Iterable[ScalabelFrame]) -> bool:
    """Return whether labels of the task are polygons instead of masks."""
    return any(
        label.poly2d is not None and label.rle is None and label.category in each.task.classes
        for each in frames
        for label in each.frame.labels or []
    )


def encode_frame(name: str, labels: Labels, task: Task) -> Frame:
    """Return a frame with a label for each class in it; unknown pixels get none.

    Args:
        name: of the frame's file.
        labels: class ids, (H, W), uint8.
        task: whose class names the labels get.
    """
    # Encoding goes by columns: these are made neighbours once, for all classes.
    columns = np.asfortranarray(labels)
    height, width = labels.shape
    present = (int(number) for number in np.unique(labels) if number != UNKNOWN_ID)
    return Frame(
        name=name,
        labels=[
            Label(
                category=task.classes[number],
                rle=Rle(counts=encode_rle(columns == number), size=(height, width)),
            )
            for number in present
        ],
    )


def encode_json(frame: Frame) -> bytes:
    """Return a frame as JSON, in one row."""
    return msgspec.json.encode(frame)


def decode_json(path: Path) -> Frame:
    """Return the frame in a file that holds one.

    Raises:
        BddsegError: it cannot be read, or holds another number.
    """
    frames = _read(path)
    if len(frames) != 1:
        raise BddsegError(f"{path} holds {len(frames)} frames; one was expected.", "Remove it.")
    return frames[0]


def write_scalabel(path: Path, frames: Iterable[Frame]) -> None:
    """Write a list of frames, a frame a row; the file is whole or absent.

    Labels are numbered through from 1, as the zoo's scripts do. Only one frame is in memory at a
    time if `frames` makes them so.

    Raises:
        BddsegError: the file cannot be written.
    """
    with open_atomically(path) as file:
        separator = b"[\n"
        for frame in _number_labels(frames):
            file.write(separator + encode_json(frame))
            separator = b",\n"
        file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _number_labels(frames: Iterable[Frame]) -> Iterator[Frame]:
    number = 0
    for frame in frames:
        for label in frame.labels or []:
            number += 1
            label.id = str(number)
        yield frame


def _list_json(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.glob("*.json")
        if path.name != RECORD_NAME and not path.name.startswith(".")
    )


def _read(path: Path) -> list[Frame]:
    try:
        content = _DECODER.decode(path.read_bytes())
    except msgspec.ValidationError as error:
        raise BddsegError(
            f"{path} is not of Scalabel's format: {error}.",
            "Each frame needs a name, each label a category, and rle with counts and size.",
        ) from error
    # A file that is no JSON, or not even text.
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise BddsegError(f"{path} cannot be read as JSON: {error}.", "Check the file.") from error
    if isinstance(content, list):
        return content
    if content.frames is not None:
        return content.frames
    if content.name is None:
        raise BddsegError(f"{path} holds no list of frames.", "Give a file of Scalabel's format.")
    return [Frame(name=content.name, labels=content.labels, size=content.size)]

"""Scalabel JSON: the format of the dataset's labels, and of run-length encoded predictions.

A file is a list of frames, or `{"frames": [...]}`. A frame is `{"name", "labels": [{"id",
"category", "rle": {"counts", "size"}}]}`; the dataset's own labels have `poly2d` instead of `rle`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from bddseg.data.rle import decode_rle, encode_rle
from bddseg.data.sources.files import is_image
from bddseg.errors import BddsegError
from bddseg.io.atomic import open_atomically
from bddseg.io.names import escape_names
from bddseg.io.read import check_size, read_file
from bddseg.io.walk import is_inside, list_files
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import LabelMap

NOT_READ = "The formats of COCO, CVAT, Label Studio and Cityscapes are written, and not read."


class Rle(msgspec.Struct):
    """A run-length encoded mask: the counts as `encode_rle` returns them, and (height, width)."""

    counts: str
    size: tuple[int, int]


class Label(msgspec.Struct, omit_defaults=True):
    """One region of a frame, as a mask or as polygons."""

    category: str
    id: str | int | None = None
    rle: Rle | None = None
    poly2d: list[object] | None = None


class Size(msgspec.Struct):
    """Size of a frame in pixels."""

    height: int
    width: int


class Frame(msgspec.Struct, omit_defaults=True):
    """One frame with its labels."""

    name: str
    labels: list[Label] | None = None
    size: Size | None = None


class _Document(Frame):
    """A file that holds a JSON object: frames, or a single frame."""

    name: str = ""
    frames: list[Frame] | None = None


_DECODER: msgspec.json.Decoder[list[Frame] | _Document] = msgspec.json.Decoder(
    list[Frame] | _Document
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalabelFrame:
    """A frame of a Scalabel file, read as a label map of a task."""

    path: Path
    frame: Frame
    task: Task

    @property
    def name(self) -> str:
        """Name of the frame, without the suffix of an image."""
        name = self.frame.name
        return str(PurePosixPath(name).with_suffix("")) if is_image(name) else name

    @property
    def origin(self) -> str:
        """The file and the frame, for messages."""
        return f"{self.path}, frame {self.frame.name}"

    def read(self) -> LabelMap | None:
        """Return class ids, (H, W), uint8; None if the frame has neither labels nor a size.

        As in the official evaluator, pixels without a label get `Task.fill_id`, labels of the
        background and of other tasks are ignored, and of overlapping labels the last one counts.

        Raises:
            BddsegError: a label cannot be decoded, or sizes differ.
        """
        encoded = [(each.category, each.rle) for each in self.frame.labels or [] if each.rle]
        sizes = {rle.size for _, rle in encoded}
        if self.frame.size:
            sizes.add((self.frame.size.height, self.frame.size.width))
        if len(sizes) > 1:
            listed = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
            raise self._error(f"its labels have different sizes: {listed}")
        if not sizes:
            return None
        size_hw = sizes.pop()
        try:
            check_size(size_hw)
        except ValueError as error:
            raise self._error(str(error)) from error
        labels = np.full(size_hw, self.task.fill_id, np.uint8)
        for category, rle in encoded:
            if category not in self.task.foreground:
                continue
            try:
                labels[decode_rle(rle.counts, rle.size)] = self.task.classes.index(category)
            except ValueError as error:
                raise self._error(f"{category}: {error}") from error
        return labels

    def _error(self, problem: str) -> BddsegError:
        return BddsegError(f"{self.origin}: {problem}.", "Correct the label, or write it again.")


def is_scalabel(source: Path) -> bool:
    """Return whether a source is a JSON file, or a folder of JSON files without masks."""
    if not source.is_dir():
        return source.suffix == ".json"
    return bool(_list_json(source)) and not list_files(source, lambda path: path.suffix == ".png")


def read_scalabel(source: Path, task: Task) -> list[ScalabelFrame]:
    """Return the frames of a JSON file, or of the JSON files in a folder, without its subfolders.

    Raises:
        BddsegError: a file cannot be read, or it has labels but none of the task.
    """
    paths = _list_json(source) if source.is_dir() else [source]
    frames = [
        ScalabelFrame(path=path, frame=frame, task=task)
        for path in paths
        for frame in _read_frames(path)
    ]
    for each in frames:
        if not is_inside(each.name):
            raise BddsegError(
                f"{each.path}: the frame name {each.frame.name!r} is not a path below a folder.",
                "Correct the name.",
            )
    found = {label.category for each in frames for label in each.frame.labels or []}
    if found and found.isdisjoint(task.classes):
        raise BddsegError(
            f"{source} has no label of {task.name}; its labels are {', '.join(sorted(found)[:5])}.",
            f"The classes of {task.name} are {', '.join(task.classes)}; use another task with -t.",
        )
    return frames


def list_categories(source: Path) -> set[str]:
    """Return the categories of the labels in a JSON file, or in the JSON files in a folder.

    Raises:
        BddsegError: a file cannot be read.
    """
    paths = _list_json(source) if source.is_dir() else [source]
    return {
        label.category
        for path in paths
        for frame in _read_frames(path)
        for label in frame.labels or []
    }


def has_polygons(frames: Iterable[ScalabelFrame]) -> bool:
    """Return whether there are labels of the task that are polygons instead of masks."""
    return any(
        label.poly2d is not None and label.rle is None and label.category in each.task.classes
        for each in frames
        for label in each.frame.labels or []
    )


def encode_frame(name: str, labels: LabelMap, task: Task) -> Frame:
    """Return a frame with one label for each class in a label map; ignored pixels get none.

    Args:
        name: File name of the frame.
        labels: Class ids, (H, W), uint8.
        task: Task of the class ids.
    """
    # The encoding runs along columns: they are made contiguous once for all classes.
    columns = np.asfortranarray(labels)
    height, width = labels.shape
    regions = [
        Label(task.classes[class_id], rle=Rle(encode_rle(columns == class_id), (height, width)))
        for class_id in np.unique(labels)
        if class_id != IGNORE_INDEX
    ]
    return Frame(escape_names(name), regions)


def encode_json(frame: Frame) -> bytes:
    """Return a frame as JSON on one line."""
    return msgspec.json.encode(frame)


def decode_json(path: Path) -> Frame:
    """Return the frame in a file of a single frame.

    Raises:
        BddsegError: the file cannot be read, or holds another number of frames.
    """
    frames = _read_frames(path)
    if len(frames) != 1:
        raise BddsegError(f"{path} holds {len(frames)} frames, expected one.", "Remove the file.")
    return frames[0]


def write_scalabel(path: Path, frames: Iterable[Frame]) -> None:
    """Write a list of frames, one on each line; the file is complete or absent.

    Labels are numbered from 1, as in the zoo's scripts. `frames` may be a generator: only one frame
    is in memory at a time.

    Raises:
        BddsegError: the file cannot be written.
    """
    numbers = count(1)
    with open_atomically(path) as file:
        separator = b"[\n"
        for frame in frames:
            for label in frame.labels or []:
                label.id = str(next(numbers))
            file.write(separator + encode_json(frame))
            separator = b",\n"
        file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _list_json(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _read_frames(path: Path) -> list[Frame]:
    try:
        content = _DECODER.decode(read_file(path))
    except msgspec.ValidationError as error:
        raise BddsegError(
            f"{path} is not in Scalabel format: {error}.",
            "Every frame needs a name, every label a category, and every rle counts and size. "
            f"{NOT_READ}",
        ) from error
    # The last three: the content is not JSON, not text, or nested too deeply.
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BddsegError(f"{path} cannot be read as JSON: {error}.", "Check the file.") from error
    if isinstance(content, list):
        return content
    if content.frames is not None:
        return content.frames
    if not content.name:
        raise BddsegError(
            f"{path} has no list of frames.", f"Give a file in Scalabel format. {NOT_READ}"
        )
    return [Frame(content.name, content.labels, content.size)]

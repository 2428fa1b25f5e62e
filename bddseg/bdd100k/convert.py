"""Label maps from one encoding to another."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bddseg.bdd100k.polygons import rasterize_polygons
from bddseg.data.annotations.annotation_format import (
    DEFAULT_OPTIONS,
    AnnotationFormat,
    AnnotationOptions,
)
from bddseg.data.annotations.coco import CocoFormat
from bddseg.data.annotations.cvat import CvatFormat
from bddseg.data.annotations.label_studio import LabelStudioFormat
from bddseg.data.cityscapes import to_cityscapes_ids
from bddseg.data.encodings import (
    Encoding,
    detect_encoding,
    inspect_file,
    read_label_file,
    to_legacy_ids,
)
from bddseg.data.mask import get_masks_folder, get_name, list_masks, read_mask
from bddseg.data.scalabel import (
    NOT_READ,
    Frame,
    ScalabelFrame,
    encode_frame,
    has_polygons,
    is_scalabel,
    read_scalabel,
    write_scalabel,
)
from bddseg.data.task_labels import make_table
from bddseg.errors import BddsegError, quote
from bddseg.io.atomic import write_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.io.png import encode_png
from bddseg.io.walk import list_files
from bddseg.progress import Track, map_in_threads, pluralize, track_silently
from bddseg.tasks.task import Task
from bddseg.types import LabelMap


class Target(StrEnum):
    """What label maps are converted to: an `Encoding` of PNG files, or a file of all frames."""

    CURRENT = "current"
    LEGACY = "legacy"
    COLOR = "color"
    CITYSCAPES = "cityscapes"
    CITYSCAPES_TRAIN = "cityscapes-train"
    RLE = "rle"
    COCO = "coco"
    CVAT = "cvat"
    LABEL_STUDIO = "labelstudio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The outcome of a conversion.

    Attributes:
        source_encoding: Encoding of the source: an `Encoding`, "rle" or "poly2d".
        converted: Number of label maps written.
        failures: One error for each label map that could not be converted.
    """

    source_encoding: str
    converted: int
    failures: tuple[BddsegError, ...]


class _ScalabelFormat(AnnotationFormat[Frame]):
    """Writes Scalabel's JSON with run-length encoded masks."""

    def encode(self, number: int, name: str, labels: LabelMap) -> Frame:
        del number
        # The official evaluator pairs frames by full name, and the dataset's are JPEG files.
        return encode_frame(f"{PurePosixPath(name).name}.jpg", labels, self.task)

    def write(self, path: Path, frames: Iterable[Frame]) -> None:
        write_scalabel(path, frames)


# The targets that are one file: its format, and its suffix.
_FORMATS: dict[Target, tuple[type[AnnotationFormat[Any]], str]] = {
    Target.RLE: (_ScalabelFormat, ".json"),
    Target.COCO: (CocoFormat, ".json"),
    Target.CVAT: (CvatFormat, ".xml"),
    Target.LABEL_STUDIO: (LabelStudioFormat, ".json"),
}

# The name of a label map, its path without the suffix, and reading it.
_Item = tuple[str, Callable[[], LabelMap]]


def convert_labels(
    source: Path,
    out: Path,
    task: Task,
    *,
    encoding: Encoding | None = None,
    target: Target = Target.CURRENT,
    target_task: Task | None = None,
    options: AnnotationOptions = DEFAULT_OPTIONS,
    overwrite: bool = False,
    num_threads: int = 1,
    track: Track = track_silently,
) -> Conversion:
    """Write the label maps of a source in another encoding, under the same names.

    Args:
        source: A folder of PNG files, the output folder of a run, or a JSON file in Scalabel format
            with run-length encoded masks or polygons, or a folder of such files.
        out: Another folder; for the targets that are one file, a JSON or XML file.
        task: Task of the labels.
        encoding: Encoding of PNG files; by default it is detected.
        target: Encoding to write.
        target_task: A coarser task whose labels they become; see `Task.finer`.
        options: How the formats of other annotation tools are written.
        overwrite: Replace existing files.
        num_threads: Number of threads, or of processes where polygons are drawn.
        track: Shows progress.

    Raises:
        BddsegError: there are no labels, `out` is of the wrong kind, a file would be overwritten,
            two label maps would get the same name, the encoding is ambiguous, labels of the task
            cannot become those of `target_task`, or polygons cannot be drawn because the extra
            `bdd100k` is not installed.
    """
    source = get_masks_folder(source)
    _check_out(out, target)
    written_task = target_task or task
    table = _make_table(task, written_task)
    output = _FORMATS[target][0](written_task, options) if target in _FORMATS else None
    failures: list[BddsegError] = []
    with _open_items(source, task, encoding, num_threads) as (described, items):
        names = [name for name, _ in items]
        _check_duplicates(source, names, by_file_name=target is Target.RLE)
        targets = output.list_files(out) if output else [out / f"{name}.png" for name in names]
        refuse_overwriting(targets, _list_inputs(source), overwrite=overwrite)

        def collect(outcomes: Iterable[Any]) -> Iterator[Any]:
            """Yield what has been encoded for the file of all frames."""
            for outcome in outcomes:
                if isinstance(outcome, BddsegError):
                    failures.append(outcome)
                else:
                    yield outcome

        step: Callable[[tuple[int, _Item]], Any] = (
            partial(_encode_item, output=output)
            if output
            else partial(_convert_item, out=out, task=written_task, target=target)
        )
        mapped = [(name, partial(_read_mapped, read, table)) for name, read in items]
        numbered = list(enumerate(mapped, 1))
        with map_in_threads(step, track(numbered, "Converting"), num_threads) as outcomes:
            if output:
                output.write(out, collect(outcomes))
            else:
                list(collect(outcomes))
    return Conversion(
        source_encoding=described,
        converted=len(items) - len(failures),
        failures=tuple(failures),
    )


def _check_out(out: Path, target: Target) -> None:
    _, suffix = _FORMATS.get(target, (None, ""))
    is_file = out.suffix in (".json", ".xml")
    if (suffix and out.suffix != suffix) or (is_file and not suffix):
        kind = f"a file with the suffix {suffix}" if suffix else "a folder"
        raise BddsegError(
            f"-o {out}: the output for --to {target} is {kind}.", "Choose another output with -o."
        )


def _list_inputs(source: Path) -> list[Path]:
    return list_files(source, lambda _: True) if source.is_dir() else [source]


def _check_duplicates(source: Path, names: Sequence[str], *, by_file_name: bool) -> None:
    """Refuse label maps that would get the same name, because all but one would be lost."""
    counts = Counter(PurePosixPath(name).name if by_file_name else name for name in names)
    ((name, count),) = counts.most_common(1) or [("", 0)]
    if count > 1:
        raise BddsegError(
            f"{count} label maps of {source} would get the same name: {name}.",
            "Rename all but one, or convert each folder separately.",
        )


@contextmanager
def _open_items(
    source: Path, task: Task, encoding: Encoding | None, num_threads: int
) -> Iterator[tuple[str, Sequence[_Item]]]:
    """Yield the encoding of a source and its label maps, which can be read until the end."""
    if not is_scalabel(source):
        if source.is_file():
            raise BddsegError(
                f"{source} is neither a folder of PNG files nor JSON in Scalabel format.", NOT_READ
            )
        paths = list_masks(source)
        encoding = encoding or _detect(paths, source, task, num_threads)
        read = partial(read_label_file, task=task, encoding=encoding)
        yield encoding, [(get_name(path, source), partial(read, path)) for path in paths]
        return
    frames = read_scalabel(source, task)
    if not has_polygons(frames):
        yield "rle", [(frame.name, partial(_read_frame, frame)) for frame in frames]
        return
    with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
        rasterize_polygons(source, Path(folder), task, num_threads)
        paths = list_masks(Path(folder))
        yield "poly2d", [(path.stem, partial(read_mask, path)) for path in paths]


def _detect(paths: Sequence[Path], source: Path, task: Task, num_threads: int) -> Encoding:
    """Return the encoding of files, if the conclusive ones agree on one that can be converted."""
    with map_in_threads(partial(inspect_file, task=task), paths, num_threads) as outcomes:
        inspections = [each for each in outcomes if not isinstance(each, BddsegError)]
    detection = detect_encoding(inspections)
    check = f"Run `bddseg labels check {quote(source)} -t {task.name}`"
    if detection.encoding is Encoding.BITMASK:
        raise BddsegError(
            f"{source} holds instance bitmasks, and they have no {task.name} labels.",
            f"Use the dataset's {task.name} labels.",
        )
    if detection.encoding is Encoding.INVALID:
        raise BddsegError(
            f"{source} has {pluralize(detection.matching, 'file')} without valid {task.name} "
            f"labels, of {len(paths)}.",
            f"{check}; if they are labels of another task, use -t. {NOT_READ}",
        )
    if detection.encoding is Encoding.AMBIGUOUS:
        raise BddsegError(
            f"Ambiguous encoding: none of {pluralize(len(paths), 'file')} in {source} is "
            "conclusive.",
            f"{check}, then use --from.",
        )
    if detection.matching < detection.conclusive:
        raise BddsegError(
            f"Ambiguous encoding: {detection.matching} of {detection.conclusive} conclusive files "
            f"look {detection.encoding}.",
            f"{check}, then use --from.",
        )
    return detection.encoding


def _read_frame(frame: ScalabelFrame) -> LabelMap:
    labels = frame.read()
    if labels is not None:
        return labels
    # The dataset's own files leave out the size of frames, which all have the same.
    size_hw = frame.task.frame_size_hw
    if size_hw is None:
        raise BddsegError(
            f"{frame.origin} has no labels and no size.", 'Add "size": {"height", "width"} to it.'
        )
    return np.full(size_hw, frame.task.fill_id, np.uint8)


def _make_table(task: Task, target: Task) -> LabelMap | None:
    """Return the id that each id of a task becomes in another, or None if they are the same."""
    if target == task:
        return None
    class_map = target.find_map(task.name)
    if class_map is None:
        raise BddsegError(
            f"Labels of the task {task.name} cannot become those of {target.name}.",
            "Choose another --to-task, or say with -t what they are labels of.",
        )
    return make_table(class_map, target)


def _read_mapped(read: Callable[[], LabelMap], table: LabelMap | None) -> LabelMap:
    labels = read()
    return labels if table is None else table[labels]


def _encode_item(numbered: tuple[int, _Item], output: AnnotationFormat[Any]) -> Any:
    number, (name, read) = numbered
    return output.encode(number, name, read())


def _convert_item(numbered: tuple[int, _Item], out: Path, task: Task, target: Target) -> None:
    _, (name, read) = numbered
    labels = read()
    if target is Target.LEGACY:
        labels = to_legacy_ids(labels, task)
    elif target in (Target.CITYSCAPES, Target.CITYSCAPES_TRAIN):
        labels = to_cityscapes_ids(labels, task, train=target is Target.CITYSCAPES_TRAIN)
    data = encode_png(labels, task.palette if target is Target.COLOR else None)
    write_atomically(out / f"{name}.png", data)

"""Label maps by name, from whatever they are written in: mask files, or Scalabel JSON."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from bddseg.data.mask import get_masks_folder, get_name, list_masks, read_mask
from bddseg.data.scalabel import ScalabelFrame, has_polygons, is_scalabel, read_scalabel
from bddseg.errors import BddsegError, quote
from bddseg.record import RECORD_NAME
from bddseg.tasks.task import Task
from bddseg.types import LabelMap


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A label map in a PNG file of its own.

    Attributes:
        name: Its path below the source without the suffix, such as "night/0001".
        path: The file.
    """

    name: str
    path: Path

    @property
    def origin(self) -> str:
        """Where it is, for messages."""
        return str(self.path)

    def read(self) -> LabelMap:
        """Return the class ids; see `read_mask`."""
        return read_mask(self.path)


@dataclass(frozen=True, slots=True, eq=False)
class MappedLabels:
    """A label map of a finer task, read as one of a coarser task; see `open_as_task`.

    Attributes:
        ref: The label map of the finer task.
        table: The id that each id becomes, (256,), uint8.
    """

    ref: "LabelMapRef"
    table: LabelMap

    @property
    def name(self) -> str:
        """Its name."""
        return self.ref.name

    @property
    def path(self) -> Path:
        """The file."""
        return self.ref.path

    @property
    def origin(self) -> str:
        """Where it is, for messages."""
        return self.ref.origin

    def read(self) -> LabelMap | None:
        """Return the class ids of the coarser task; see the `read` of the label map."""
        labels = self.ref.read()
        return None if labels is None else self.table[labels]


# Where the label map of one frame is, and reading it.
LabelMapRef = MaskFile | ScalabelFrame | MappedLabels


class LabelSet(dict[str, LabelMapRef]):
    """The label maps of a source, by name.

    Label maps and frames of different sources are paired by name: by their path below the source
    or, if that is nowhere, by the file name alone, whatever folder it is in.

    Args:
        source: The folder or file that they come from.
        refs: Its label maps.

    Raises:
        BddsegError: two have the same name.
    """

    def __init__(self, source: Path, refs: Iterable[LabelMapRef]) -> None:
        super().__init__()
        self.source = source
        for ref in refs:
            other = self.setdefault(ref.name, ref)
            if other is not ref:
                raise BddsegError(
                    f"{other.origin} and {ref.origin} have the same name.", "Rename or remove one."
                )

    def select(self, names: Iterable[str]) -> "LabelSet":
        """Return the label maps of these names that there are."""
        return LabelSet(self.source, (self[name] for name in names if name in self))

    def find(self, name: str) -> LabelMapRef | None:
        """Return the label map that belongs to a frame or label map of that name, or None.

        Raises:
            BddsegError: several files of that name are in other folders than `name` is.
        """
        if name in self:
            return self[name]
        refs = self._by_file_name.get(PurePosixPath(name).name, [])
        if len(refs) > 1:
            raise BddsegError(
                f"{name} could belong to {refs[0].origin} or to {refs[1].origin}.",
                "Give both sources the same folders, or give every file a name of its own.",
            )
        return refs[0] if refs else None

    def match(self, origins: Mapping[str, str]) -> Iterator[LabelMapRef | None]:
        """Yield the label map of each frame, or None; see `find`.

        Args:
            origins: The frames by name: where each is, for messages.

        Raises:
            BddsegError: several label maps fit a frame, or several frames a label map.
        """
        owners: dict[str, str] = {}
        for name, origin in origins.items():
            found = self.find(name)
            # One that has the path of another frame belongs to that one.
            if found and found.name != name and found.name in origins:
                found = None
            if found and found.name in owners:
                raise BddsegError(
                    f"{found.origin} could belong to {owners[found.name]} or to {origin}.",
                    "Give both sources the same folders, or give every file a name of its own.",
                )
            if found:
                owners[found.name] = origin
            yield found

    @cached_property
    def _by_file_name(self) -> dict[str, list[LabelMapRef]]:
        refs: defaultdict[str, list[LabelMapRef]] = defaultdict(list)
        for name, ref in self.items():
            refs[PurePosixPath(name).name].append(ref)
        return refs


def open_label_set(source: Path, task: Task) -> LabelSet:
    """Return the label maps of a source.

    Args:
        source: A folder of masks, with its subfolders; the output folder of a run; or a JSON file
            in Scalabel format, or a folder of such files.
        task: What they are labels of.

    Raises:
        BddsegError: there are none, two have the same name, or they are not of the task.
    """
    source = _find_results(source, task)
    if not is_scalabel(source):
        masks = list_masks(source)
        return LabelSet(source, (MaskFile(get_name(path, source), path) for path in masks))
    frames = read_scalabel(source, task)
    if has_polygons(frames):
        raise BddsegError(
            f"{source} holds polygons, and masks were expected.",
            f"Convert it: bddseg labels convert {quote(source)} -o OUT -t {task.name}",
        )
    if not frames:
        raise BddsegError(f"{source} holds no frames.", "Check the path.")
    return LabelSet(source, frames)


def _find_results(source: Path, task: Task) -> Path:
    """Return the masks of a run's output folder, or its JSON file; any other path as it is."""
    masks, json_file = get_masks_folder(source), source / f"{task.name}.json"
    is_json_run = masks == source and (source / RECORD_NAME).is_file() and json_file.is_file()
    return json_file if is_json_run else masks

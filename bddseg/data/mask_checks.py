"""What suggests that masks are of another task or encoding than they are read as."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from bddseg.data.encodings import (
    MIN_SCENE_ROWS,
    Detection,
    Encoding,
    Inspection,
    detect_encoding,
    inspect_file,
)
from bddseg.data.result_task import describe_use, find_coarser
from bddseg.errors import BddsegError, quote
from bddseg.progress import NUM_CORES, map_in_threads, pluralize
from bddseg.record import find_record
from bddseg.tasks.bdd100k import DRIVABLE, DRIVABLE_BINARY
from bddseg.tasks.task import IGNORE_INDEX, TASKS, Task

# Masks that are looked at; in fewer than `_MANY`, a class can be missing by chance.
_SAMPLE, _MANY = 40, 20
# The share of the conclusive masks that has to be of another encoding or task.
_CLEAR_SHARE = 0.9
# The tasks that the dataset's first labels were of.
_LEGACY_TASKS = (DRIVABLE.name, DRIVABLE_BINARY.name)


@dataclass(frozen=True, kw_only=True)
class MaskSample:
    """A sample of masks.

    Attributes:
        source: Where they come from.
        task: Task that they are read as.
        inspections: What each looks like.
    """

    source: Path
    task: Task
    inspections: tuple[Inspection, ...]

    @property
    def number(self) -> int:
        """Number of masks."""
        return len(self.inspections)

    @cached_property
    def ids(self) -> frozenset[int]:
        """The class ids that occur."""
        return frozenset(number for each in self.inspections for number in each.ids) - {
            IGNORE_INDEX
        }

    @cached_property
    def detection(self) -> Detection:
        """Their encoding."""
        return detect_encoding(self.scenes)

    @property
    def is_legacy(self) -> bool:
        """Whether the ids are those of the dataset's first labels, where 0 is the background."""
        return (
            self.task.name in _LEGACY_TASKS
            and self.detection.encoding is Encoding.LEGACY
            and self.detection.confidence > _CLEAR_SHARE
        )

    @property
    def scenes(self) -> list[Inspection]:
        """The masks that are large enough to be scenes."""
        return [each for each in self.inspections if each.size_hw[0] >= MIN_SCENE_ROWS]

    def refuse_other_labels(self) -> None:
        """Raise a BddsegError for masks that are clearly of another task, or have legacy ids."""
        if self.is_legacy:
            raise BddsegError(f"{self._describe_legacy()}.", f"Convert them: {self._convert}")
        beyond = [each for each in self.scenes if self._is_beyond(each)]
        if len(beyond) > _CLEAR_SHARE * len(self.scenes):
            (problem,) = self.describe_problems()
            raise BddsegError(problem, "Choose the task of the masks with -t, or other masks.")
        if self.task.fill_id in self.ids or not (coarser := find_coarser(self.task.name)):
            return
        other = _inspect(self.source, [each.path for each in self.inspections], coarser)
        if other.is_current:
            raise BddsegError(
                f"{self.source} seems to hold masks of the task {coarser.name}, not of "
                f"{self.task.name} ({other.describe_matching()}).",
                describe_use(coarser),
            )

    @property
    def is_current(self) -> bool:
        """Whether the masks clearly have the ids of the task."""
        detection = self.detection
        return detection.encoding is Encoding.CURRENT and detection.confidence > _CLEAR_SHARE

    def describe_matching(self) -> str:
        """Return how many masks have the encoding of most: "4 of 4 conclusive masks"."""
        conclusive = pluralize(self.detection.conclusive, "conclusive mask")
        return f"{self.detection.matching} of {conclusive}"

    def describe_problems(self) -> list[str]:
        """Return what suggests another task or encoding, in sentences."""
        if not self.ids:
            return []
        if self.is_legacy:
            return [f"{self._describe_legacy()}. Convert them: {self._convert}"]
        task, highest = self.task, max(self.ids)
        if highest >= task.num_classes:
            ids = f"ids up to {highest}, and those of {task.name} are 0 to {task.num_classes - 1}"
            return [f"{self.source} has {ids}{self._describe_fit(highest, exact=False)}."]
        missing = [name for number, name in enumerate(task.classes) if number not in self.ids]
        if task.background in missing or (missing and self.number >= _MANY):
            looked = f"Looked at {pluralize(self.number, 'mask')} of {self.source} and found no"
            return [
                f"{looked} {' and no '.join(missing)}{self._describe_fit(highest, exact=True)}."
            ]
        return []

    def _is_beyond(self, inspection: Inspection) -> bool:
        """Return whether half of a mask's ids are not of the task; one may be "unknown"."""
        used = set(inspection.ids) - {IGNORE_INDEX}
        beyond = [each for each in used if each >= self.task.num_classes]
        return bool(beyond) and 2 * len(beyond) >= len(used)

    @cached_property
    def conclusive(self) -> dict[Encoding, Inspection]:
        """The first mask of each encoding that one shows; ids show it in scenes alone."""
        first: dict[Encoding, Inspection] = {}
        for each in self.inspections:
            if each.encoding is Encoding.COLOR or each.size_hw[0] >= MIN_SCENE_ROWS:
                first.setdefault(each.encoding, each)
        first.pop(Encoding.AMBIGUOUS, None)
        return first

    def describe_misfit(self) -> str:
        """Return why these are no labels of the task, in a sentence; empty if they may be.

        Of ids of another task, such as binary ones, no mask shows an encoding, and the background
        does not occur.
        """
        problems = [] if self.conclusive else self.describe_problems()
        return problems[0] if problems else ""

    def _describe_legacy(self) -> str:
        return (
            f"{self.source} seems to hold legacy ids, where 0 is the background "
            f"({self.describe_matching()})"
        )

    @property
    def _convert(self) -> str:
        return f"bddseg labels convert {quote(self.source)} -o OUT -t {self.task.name}"

    def _describe_fit(self, highest: int, *, exact: bool) -> str:
        """Return the other tasks that the ids would fit."""
        names = []
        for name in TASKS.list_names():
            try:
                size = TASKS.load(name).num_classes
            except BddsegError:
                continue
            if name != self.task.name and (size == highest + 1 if exact else size > highest):
                names.append(f"{name} (-t {name})")
        return f"; the ids would fit {' or '.join(names)}" if names else ""


def sample_masks(source: Path, masks: Sequence[Path], task: Task) -> MaskSample | None:
    """Look at some of the masks of a source, evenly spaced; None for results of a run.

    A run record says what its masks are.

    Args:
        source: Folder of the masks.
        masks: The masks.
        task: Task that they are read as.

    Raises:
        BddsegError: there is a run record, and it cannot be read.
    """
    if not masks or find_record(source):
        return None
    return _inspect(source, masks[:: -(-len(masks) // _SAMPLE)], task)


def _inspect(source: Path, chosen: Sequence[Path], task: Task) -> MaskSample:
    with map_in_threads(partial(inspect_file, task=task), chosen, NUM_CORES) as outcomes:
        inspections = [each for each in outcomes if not isinstance(each, BddsegError)]
    return MaskSample(source=source, task=task, inspections=tuple(inspections))

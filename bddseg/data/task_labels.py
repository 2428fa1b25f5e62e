"""Opening label maps as those of a task: those of a finer task are mapped, others are refused."""

from pathlib import Path

import numpy as np

from bddseg.data.encodings import Encoding
from bddseg.data.label_set import LabelSet, MappedLabels, MaskFile, open_label_set
from bddseg.data.mask_checks import MaskSample, sample_masks
from bddseg.data.scalabel import is_scalabel, list_categories
from bddseg.errors import BddsegError
from bddseg.record import find_record
from bddseg.tasks.task import ClassMap, Task
from bddseg.types import LabelMap


def open_as_task(source: Path, task: Task) -> tuple[LabelSet, list[str]]:
    """Return the label maps of a source as those of a task, and notes about them, in sentences.

    Label maps of a finer task become those of the task; see `Task.finer`. Of which task they are,
    the run record says or, without one, the categories of Scalabel JSON or a sample of the masks.

    Args:
        source: See `open_label_set`.
        task: The task.

    Raises:
        BddsegError: see `open_label_set`; label maps are of several tasks; or masks are clearly of
            another task or encoding.
    """
    class_map = _find_class_map(source, task)
    own_task = class_map.task if class_map else task
    labels = open_label_set(source, own_task)
    notes = []
    if sample := _sample(labels, own_task):
        sample.refuse_other_labels()
        notes = sample.describe_problems()
        if sample.scenes and sample.ids and not sample.detection.conclusive:
            notes += [
                f"{source} is read as {own_task.name}, because its ids fit; no mask shows that it "
                f"is not of {finer.task.name}."
                for finer in own_task.finer
            ]
    if class_map is None:
        return labels, notes
    table = make_table(class_map, task)
    mapped = LabelSet(labels.source, (MappedLabels(ref, table) for ref in labels.values()))
    note = f"{source} has labels of {class_map.task.name}, which become those of {task.name}"
    return mapped, [f"{note}: {class_map.describe()}.", *notes]


def _find_class_map(source: Path, task: Task) -> ClassMap | None:
    """Return how the label maps of a source become those of a task, or None if they are its own."""
    if record := find_record(source):
        return task.find_map(record.task)
    for class_map in task.finer:
        is_finer = _is_finer_json if is_scalabel(source) else _are_finer_masks
        if is_finer(source, task, class_map.task):
            return class_map
    return None


def _is_finer_json(source: Path, task: Task, finer: Task) -> bool:
    """Return whether labels have categories of the finer task; the background does not count."""
    found = list_categories(source)
    others = found & set(finer.foreground)
    if (own := found & set(task.foreground)) and others:
        raise _mixed(source, task, finer, f"{min(own)} and {min(others)}")
    return bool(others)


def _are_finer_masks(source: Path, task: Task, finer: Task) -> bool:
    """Return whether masks have ids that only the finer task has."""
    sample = _sample(open_label_set(source, task), task)
    if sample is None:
        return False
    masks = sample.inspections
    others = [each for each in masks if task.num_classes <= each.highest < finer.num_classes]
    own = [each for each in sample.scenes if each.encoding is Encoding.CURRENT]
    if own and others:
        raise _mixed(source, task, finer, f"{own[0].path.name} and {others[0].path.name}")
    return bool(others)


def _mixed(source: Path, task: Task, finer: Task, examples: str) -> BddsegError:
    return BddsegError(
        f"{source} has labels of the tasks {task.name} and {finer.name}, such as {examples}.",
        "Give labels of one task: sort them into two folders.",
    )


def _sample(labels: LabelSet, task: Task) -> MaskSample | None:
    masks = [ref.path for ref in labels.values() if isinstance(ref, MaskFile)]
    return sample_masks(labels.source, masks, task)


def make_table(class_map: ClassMap, task: Task) -> LabelMap:
    """Return the id that each id becomes, (256,), uint8; ids outside the classes stay as they are.

    These are outside the classes of the task too, which has fewer.
    """
    table = np.arange(256, dtype=np.uint8)
    for class_id, name in enumerate(class_map.task.classes):
        table[class_id] = task.classes.index(class_map.classes[name])
    return table

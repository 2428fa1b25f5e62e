"""The frames that a recipe trains on and evaluates on, checked before the first step."""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from bddseg.bdd100k.layout import TRAIN, VALIDATION, WHERE_DATA_IS, SplitPaths, find_splits
from bddseg.data.encodings import Encoding
from bddseg.data.frame_checks import check_sizes, find_shared_frames
from bddseg.data.label_set import open_label_set
from bddseg.data.labeled_frames import LabeledFrames, open_labeled_frames
from bddseg.data.sources.source import sample_evenly
from bddseg.errors import BddsegError, quote
from bddseg.progress import pluralize
from bddseg.tasks.task import Task
from bddseg_train.recipe import Data, Recipe, Split

# Frames whose size is compared with their labels', and with the crop: a header is read in 0.1 ms.
_MAX_SIZES, _MAX_CROPPED = 2000, 100
# Transforms that make no image larger.
_NO_LARGER = frozenset({"crop", "flip", "color_jitter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedData:
    """What is trained on and evaluated on.

    Attributes:
        train: Frames to train on.
        validation: Frames to evaluate on, if there are some.
        notes: What the user should know, in sentences.
    """

    train: LabeledFrames
    validation: LabeledFrames | None
    notes: tuple[str, ...]


def open_data(data: Data, task: Task) -> OpenedData:
    """Return the frames of a recipe; of each set, a sample of the labels and headers is read.

    Args:
        data: Where they are.
        task: Task of the labels.

    Raises:
        BddsegError: there are none to train on, they are not labels of the task, labels and images
            differ in size, or a frame is in both sets.
    """
    train, validation, notes = find_frames(data, task)
    opened = _open(train, data, task)
    if data.limit is not None:
        opened = replace(opened, frames=opened.frames[: data.limit])
    if data.teacher:
        opened = _add_teacher(opened, Path(data.teacher), task)
    evaluated = _open(validation, data, task) if validation else None
    if evaluated is None:
        notes.append("There are no validation frames: the network is not scored.")
    else:
        _refuse_shared(opened, evaluated)
    notes = [*opened.notes, *(evaluated.notes if evaluated else ()), *notes]
    return OpenedData(train=opened, validation=evaluated, notes=tuple(notes))


def check_crop(recipe: Recipe, frames: LabeledFrames) -> None:
    """Check that a recipe's crop is not larger than all frames, where nothing enlarges them.

    Args:
        recipe: The recipe; that a crop fits what the transform `resize` makes was checked before.
        frames: Frames to train on, of which a sample is looked at.

    Raises:
        BddsegError: it is larger: all inputs would be padded.
    """
    if not {table["name"] for table in recipe.transforms} <= _NO_LARGER:
        return
    sizes = [each.check_size() for each in sample_evenly(frames, _MAX_CROPPED)]
    largest_hw = [max(edges) for edges in zip(*sizes, strict=True)]
    if any(crop > edge for crop, edge in zip(recipe.crop_hw, largest_hw, strict=True)):
        raise BddsegError(
            f"crop_hw {[*recipe.crop_hw]} is larger than the frames, which are {largest_hw} at "
            f"most ({frames[0].image} is one).",
            "Use a smaller crop (--set crop_hw=[HEIGHT,WIDTH]), or add the transform resize.",
        )


def find_frames(data: Data, task: Task) -> tuple[Split, Split | None, list[str]]:
    """Return where the frames to train on and to evaluate on are, and notes.

    Raises:
        BddsegError: there are none to train on.
    """
    train, validation = data.train, data.validation
    notes: list[str] = []
    if data.root and not (train and validation):
        folder = find_splits(Path(data.root), task)
        notes += folder.incomplete
        train = train or _to_split(folder.splits.get(TRAIN))
        validation = validation or _to_split(folder.splits.get(VALIDATION))
    if train is None:
        where = f"{data.root} has none" if data.root else "the recipe names none"
        raise BddsegError(
            f"There are no frames to train on: {where}.",
            f"Give a folder with --set data.root=DIR. {WHERE_DATA_IS}",
        )
    return train, validation, notes


def _to_split(paths: SplitPaths | None) -> Split | None:
    return Split(images=str(paths.images), labels=str(paths.labels)) if paths else None


def _open(split: Split, data: Data, task: Task) -> LabeledFrames:
    encoding = None if data.encoding == "auto" else Encoding(data.encoding)
    frames = open_labeled_frames(split.images, split.labels, task, encoding=encoding)
    check_sizes(frames, _MAX_SIZES)
    return frames


def _add_teacher(frames: LabeledFrames, folder: Path, task: Task) -> LabeledFrames:
    """Return each frame twice, one after the other: with its labels and with a model's mask."""
    if not folder.exists():
        raise BddsegError(
            f"data.teacher: there is no folder {folder}.",
            "Make masks of the training frames with another model, bddseg infer MODEL FRAMES -o "
            "OUT, and name them with --set data.teacher=OUT.",
        )
    masks = open_label_set(folder, task)
    found = list(masks.match({frame.name: str(frame.image) for frame in frames}))
    num_missing = found.count(None)
    if num_missing:
        first = frames[found.index(None)]
        raise BddsegError(
            f"data.teacher: {folder} has no mask of {pluralize(num_missing, 'training frame')}, "
            f"such as {first.image}.",
            f"Finish the run: bddseg infer MODEL FRAMES -o {quote(folder)}",
        )
    pairs = [
        (frame, replace(frame, labels=mask, encoding=Encoding.CURRENT, is_detected=True))
        for frame, mask in zip(frames, found, strict=True)
        if mask is not None
    ]
    taught = replace(frames, frames=tuple(chain.from_iterable(pairs)))
    check_sizes(taught, _MAX_SIZES)
    return taught


def _refuse_shared(train: LabeledFrames, validation: LabeledFrames) -> None:
    """Raise a BddsegError for frames in both sets: their scores would be too good."""
    shared = find_shared_frames(train, validation)
    if shared:
        raise BddsegError(
            f"Training and validation share frames, {len(shared)} at least: {shared[0].first} and "
            f"{shared[0].second} are the same.",
            "Remove them from one of the two; bddseg data check lists all.",
        )

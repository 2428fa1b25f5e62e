"""What a report is about: the masks of each frame, and where its image and probabilities are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bddseg.data.label_set import LabelMapRef, LabelSet, MappedLabels
from bddseg.data.pairing import pair_images
from bddseg.data.probability import find_probabilities
from bddseg.data.task_labels import open_as_task
from bddseg.errors import BddsegError
from bddseg.metrics.pairing import pair_label_sets
from bddseg.progress import pluralize
from bddseg.tasks.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFrame:
    """A frame of a report.

    Attributes:
        name: Name of its ground truth or, without ground truth, of its first prediction.
        image: Its image, if there is one.
        ground_truth: Its ground truth, if the report has one.
        predictions: Its mask in each result, or None.
        probabilities: Its probabilities in each result, or None.
    """

    name: str
    image: Path | None
    ground_truth: LabelMapRef | None
    predictions: tuple[LabelMapRef | None, ...]
    probabilities: tuple[Path | None, ...]

    def list_files(self) -> list[Path]:
        """Return the files of the frame."""
        refs = (self.ground_truth, *self.predictions)
        paths = (self.image, *self.probabilities)
        return [ref.path for ref in refs if ref] + [path for path in paths if path]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """The frames of a report.

    Attributes:
        frames: The frames, at least one.
        folders: Folders that they come from, in which no report may be.
        notes: What was ignored or is missing, in sentences.
    """

    frames: list[ReportFrame]
    folders: list[Path]
    notes: list[str]


def collect_frames(
    results: Sequence[Path], ground_truth: Path | None, images: str | None, task: Task
) -> ReportInput:
    """Return the frames of the ground truth or, without it, of the first result.

    Args:
        results: Predictions, at least one; see `open_as_task`.
        ground_truth: Ground truth, likewise.
        images: The frames: an image, a folder, a glob pattern or a list file.
        task: Task of all masks.

    Raises:
        BddsegError: a source is missing or empty, or nothing can be paired.
    """
    opened = [open_as_task(path, task) for path in results]
    label_sets = [labels for labels, _ in opened]
    truth = open_as_task(ground_truth, task)[0] if ground_truth else None
    # With ground truth, `evaluate` has the notes about label maps.
    notes = [] if ground_truth else [note for _, about in opened for note in about]
    if truth is None:
        names = list(label_sets[0])
        truth_refs: list[LabelMapRef | None] = [None] * len(names)
        columns = [_match(label_sets[0], labels, notes) for labels in label_sets]
    else:
        names = list(truth)
        truth_refs = list(truth.values())
        columns = [[found for _, found in pair_label_sets(truth, labels)] for labels in label_sets]
    reference = truth if truth is not None else label_sets[0]
    image_paths = _find_images(images, reference, notes)
    probabilities = [
        _find_probability_files(labels, column)
        for labels, column in zip(label_sets, columns, strict=True)
    ]
    frames = [
        ReportFrame(
            name=name,
            image=image_paths.get(ref.origin),
            ground_truth=true_ref,
            predictions=predictions,
            probabilities=paths,
        )
        for name, ref, true_ref, predictions, paths in zip(
            names,
            reference.values(),
            truth_refs,
            zip(*columns, strict=True),
            zip(*probabilities, strict=True),
            strict=True,
        )
    ]
    sources = [labels.source for labels in (*label_sets, reference)]
    sources += [Path(images)] if images else []
    folders = [path for path in sources if path.is_dir()]
    return ReportInput(frames=frames, folders=folders, notes=notes)


def _match(first: LabelSet, labels: LabelSet, notes: list[str]) -> list[LabelMapRef | None]:
    """Return what a result has for each frame of the first one."""
    found = list(labels.match({name: ref.origin for name, ref in first.items()}))
    number = sum(ref is not None for ref in found)
    if not number:
        raise BddsegError(
            f"No file name in {labels.source} is also in {first.source} (such as "
            f"{next(iter(first))}).",
            "Results are paired by file name without the suffix; check both.",
        )
    if missing := len(found) - number:
        notes.append(f"{labels.source}: no mask for {pluralize(missing, 'frame')}.")
    if extra := len(labels) - number:
        masks = pluralize(extra, "mask")
        notes.append(f"{labels.source}: {masks} of frames that are not in {first.source}: ignored.")
    return found


def _find_images(images: str | None, reference: LabelSet, notes: list[str]) -> dict[str, Path]:
    """Return the image of each label map, by the origin of the label map."""
    if images is None:
        return {}
    pairing = pair_images(images, reference)
    found = {ref.origin: path for _, path, ref in pairing.pairs}
    if missing := len(reference) - len(found):
        number = pluralize(missing, "mask")
        notes.append(f"{images}: no frame for {number}; they are shown without it.")
    if pairing.unlabeled:
        number = pluralize(len(pairing.unlabeled), "frame")
        notes.append(f"{images}: {number} without a mask ignored, such as {pairing.unlabeled[0]}.")
    return found


def _find_probability_files(
    labels: LabelSet, refs: Sequence[LabelMapRef | None]
) -> list[Path | None]:
    folder = find_probabilities(labels)
    # Probabilities of a finer task's classes are not those of the classes that they become.
    is_mapped = any(isinstance(ref, MappedLabels) for ref in refs)
    if folder is None or is_mapped:
        return [None] * len(refs)
    paths = (folder / f"{ref.name}.png" if ref else None for ref in refs)
    return [path if path and path.is_file() else None for path in paths]

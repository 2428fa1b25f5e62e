"""Frames with their labels, paired by name: what is trained on and evaluated on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from bddseg.data.encodings import MIN_SCENE_ROWS, Encoding, read_label_file
from bddseg.data.image import read_image, read_image_size
from bddseg.data.label_set import LabelMapRef, MappedLabels, MaskFile, open_label_set
from bddseg.data.mask_checks import MaskSample, sample_masks
from bddseg.data.pairing import pair_images, read_pairs
from bddseg.errors import BddsegError, quote
from bddseg.io.png import read_png_size
from bddseg.progress import pluralize
from bddseg.tasks.task import Task
from bddseg.types import Image, LabelMap, SizeHW


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledFrame:
    """A frame and its labels, not read yet.

    Attributes:
        name: Path of the image below its source without the suffix, such as "night/0001".
        image: The image file.
        labels: Where the labels are.
        encoding: Encoding of the label file; `CURRENT` for Scalabel JSON.
        is_detected: The encoding was detected on other files: `read_labels` checks it.
    """

    name: str
    image: Path
    labels: LabelMapRef
    encoding: Encoding = Encoding.CURRENT
    is_detected: bool = False

    def read_image(self) -> Image:
        """Return the image as RGB, (H, W, 3), uint8.

        Raises:
            BddsegError: it cannot be read.
        """
        return read_image(self.image)

    def read_labels(self, task: Task) -> LabelMap:
        """Return the class ids, (H, W), uint8, converted to the ids of the task.

        Raises:
            BddsegError: they cannot be read, or are of another encoding or task.
        """
        if isinstance(self.labels, MaskFile):
            return read_label_file(self.labels.path, task, self.encoding, strict=self.is_detected)
        labels = self.labels.read()
        if labels is None:
            return np.full(read_image_size(self.image), task.fill_id, np.uint8)
        return labels

    def check_size(self) -> SizeHW:
        """Return the size of the image; only the headers of the files are read.

        Raises:
            BddsegError: the labels have another size, or a header cannot be read.
        """
        size_hw, labels_hw = read_image_size(self.image), _read_label_size(self.labels)
        if labels_hw not in (None, size_hw):
            raise BddsegError(
                f"{self.image} is {size_hw[1]}x{size_hw[0]}, and its labels {self.labels.origin} "
                f"are {labels_hw[1]}x{labels_hw[0]}.",
                "Both must have the same size; remove the frame, or resize its labels (nearest).",
            )
        return size_hw


@dataclass(frozen=True, kw_only=True)
class LabeledFrames(Sequence[LabeledFrame]):
    """The frames of a source that have labels, in the order of their names.

    Attributes:
        frames: The frames.
        encoding: Encoding of the label files.
        unlabeled: Images without labels, which are ignored.
        unused: Origins of label maps without an image, which are ignored.
        notes: What the user should know, in sentences.
        problems: Why they are no labels of the task, in sentences.
    """

    frames: tuple[LabeledFrame, ...]
    encoding: Encoding = Encoding.CURRENT
    unlabeled: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> LabeledFrame: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[LabeledFrame, ...]: ...

    def __getitem__(self, index: int | slice) -> LabeledFrame | tuple[LabeledFrame, ...]:
        """Return a frame, or several."""
        return self.frames[index]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frames)


def open_labeled_frames(
    images: str,
    labels: str,
    task: Task,
    *,
    encoding: Encoding | None = None,
    strict: bool = True,
) -> LabeledFrames:
    """Return the frames of a source with their labels, by name; of the labels, a sample is read.

    Args:
        images: An image, a folder, a glob pattern or a list file; or, without `labels`, a text file
            with a pair on each line, image and label file, separated by a tab; relative paths are
            relative to it.
        labels: A folder of masks or colormaps, the output folder of a run, or Scalabel JSON with
            masks. The names that the packages of BDD100K give them are known: NAME_drivable_id.png.
        task: Task of the labels.
        encoding: Encoding of label files; by default it is detected.
        strict: Refuse a sample that has files of several encodings, or files that are no labels of
            the task. Otherwise its most frequent encoding is used.

    Raises:
        BddsegError: a source does not exist or holds nothing, no image has labels, a pair is
            ambiguous, or the sample is refused.
    """
    pairing = (
        pair_images(images, open_label_set(Path(labels), task))
        if labels
        else read_pairs(Path(images))
    )
    masks = [ref.path for _, _, ref in pairing.pairs if isinstance(ref, MaskFile)]
    is_detected, notes = False, pairing.describe(images, labels)
    sample = sample_masks(Path(labels or images), masks, task) if encoding is None else None
    misfit = sample.describe_misfit() if sample else ""
    if sample:
        if strict:
            _refuse_deviating(sample)
        is_detected, encoding = True, _choose_encoding(sample)
        notes += _describe_encoding(sample, encoding)
    encoding = encoding or Encoding.CURRENT
    return LabeledFrames(
        frames=tuple(
            LabeledFrame(
                name=name, image=image, labels=ref, encoding=encoding, is_detected=is_detected
            )
            for name, image, ref in pairing.pairs
        ),
        encoding=encoding,
        unlabeled=pairing.unlabeled,
        unused=pairing.unused,
        notes=tuple(notes),
        problems=(misfit,) if misfit else (),
    )


def _read_label_size(labels: LabelMapRef) -> SizeHW | None:
    """Return the size of a label map; None for a frame that tells none."""
    if isinstance(labels, MappedLabels):
        return _read_label_size(labels.ref)
    if isinstance(labels, MaskFile):
        return read_png_size(labels.path)
    size, encoded = labels.frame.size, (each.rle for each in labels.frame.labels or [])
    if size:
        return size.height, size.width
    return next((rle.size for rle in encoded if rle), None)


def _refuse_deviating(sample: MaskSample) -> None:
    """Raise a BddsegError for files of several encodings, or that are no labels of the task."""
    for each in sample.inspections:
        if each.encoding in (Encoding.INVALID, Encoding.BITMASK):
            problem = each.problem or "it is an instance bitmask"
            raise BddsegError(
                f"{each.path}: {problem}.",
                "Check all files: bddseg data check, or bddseg labels check "
                f"{quote(sample.source)} -t {sample.task.name}",
            )
    if len(sample.conclusive) > 1:
        looks = [f"{each.path} looks {kind}" for kind, each in sample.conclusive.items()]
        listed = " and ".join(looks)
        raise BddsegError(
            f"{sample.source} has label files of several encodings: {listed}.",
            f"List them: bddseg labels check {quote(sample.source)} -t {sample.task.name}",
        )
    if misfit := sample.describe_misfit():
        raise BddsegError(misfit, "Give labels of the task.")


def _choose_encoding(sample: MaskSample) -> Encoding:
    """Return the most frequent encoding that can be read; without any, current ids."""
    readable = (Encoding.CURRENT, Encoding.LEGACY, Encoding.COLOR)
    counts = Counter(
        each.encoding
        for each in sample.inspections
        if each.encoding is Encoding.COLOR
        or (each.encoding in readable and each.size_hw[0] >= MIN_SCENE_ROWS)
    )
    return counts.most_common(1)[0][0] if counts else Encoding.CURRENT


def _describe_encoding(sample: MaskSample, encoding: Encoding) -> list[str]:
    """Return what the user should know about the encoding, in sentences."""
    if sample.describe_misfit():
        return []
    looked = f"{sample.source}, of which {pluralize(sample.number, 'label file')} were looked at,"
    if encoding is Encoding.LEGACY:
        return [f"{looked} holds legacy ids, where 0 is the background. They are converted."]
    if encoding is Encoding.COLOR:
        return [f"{looked} holds colors. They are converted to ids when a frame is read."]
    if sample.detection.conclusive == 0 and sample.task.background is not None:
        return [f"{looked} does not show its encoding. It is read as current ids."]
    return sample.describe_problems()

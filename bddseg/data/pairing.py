"""Pairing images with their labels, by name or from a list file."""

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bddseg.data.label_set import LabelMapRef, LabelSet, MaskFile
from bddseg.data.scalabel import ScalabelFrame
from bddseg.data.sources.files import find_images
from bddseg.errors import BddsegError
from bddseg.io.read import read_lines
from bddseg.progress import pluralize

# What the packages of BDD100K append to a frame's name in the names of its label files. Where a
# frame has several, the first of these is used: ids before colors.
_SUFFIXES = ("", "_drivable_id", "_train_id", "_drivable_color", "_train_color")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Images with their labels.

    Attributes:
        pairs: Name, image and labels of each.
        unlabeled: Images without labels.
        unused: Origins of label maps without an image.
        num_doubled: Number of label files of frames that have another one.
    """

    pairs: list[tuple[str, Path, LabelMapRef]]
    unlabeled: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    num_doubled: int = 0

    def describe(self, images: str, labels: str) -> list[str]:
        """Return what was left, in sentences."""
        notes = []
        if self.unlabeled:
            number = pluralize(len(self.unlabeled), "image")
            notes.append(f"{images}: {number} without labels ignored, such as {self.unlabeled[0]}.")
        if self.unused:
            number = pluralize(len(self.unused), "label map")
            notes.append(f"{labels}: {number} without an image ignored, such as {self.unused[0]}.")
        if self.num_doubled:
            number = pluralize(self.num_doubled, "label file")
            notes.append(f"{labels}: {number} ignored, because ids of the same frames are there.")
        refs = [ref for _, _, ref in self.pairs if isinstance(ref, ScalabelFrame)]
        if empty := sum(not ref.frame.labels for ref in refs):
            frames = pluralize(empty, "frame")
            notes.append(f"{labels}: {frames} without a label: all pixels are background.")
        return notes


def pair_images(images: str, label_set: LabelSet) -> Pairing:
    """Return the images of a source with their labels, in the order of their names.

    Args:
        images: An image, a folder, a glob pattern or a list file.
        label_set: The labels; see `LabelSet.match` for how they are paired.

    Raises:
        BddsegError: the images cannot be listed, none has labels, or a pair is ambiguous.
    """
    files = {ref.path for ref in label_set.values()}
    # Labels can lie in the folder of the images, or below it.
    refs = find_images(images, labels=files)
    renamed = _drop_suffixes(label_set, {PurePosixPath(ref.name).name for ref in refs})
    found = list(renamed.match({ref.name: ref.file for ref in refs}))
    pairs = [
        (ref.name, ref.path, labels)
        for ref, labels in zip(refs, found, strict=True)
        if labels is not None
    ]
    if not pairs:
        raise BddsegError(
            f"None of {pluralize(len(refs), 'image')} in {images} has labels in "
            f"{label_set.source} (such as {refs[0].name}).",
            "Images and labels are paired by file name without the suffix; check both.",
        )
    used = {labels.name for labels in found if labels is not None}
    return Pairing(
        pairs=pairs,
        unlabeled=tuple(
            ref.file for ref, labels in zip(refs, found, strict=True) if labels is None
        ),
        unused=tuple(ref.origin for name, ref in renamed.items() if name not in used),
        num_doubled=len(label_set) - len(renamed),
    )


def read_pairs(file: Path) -> Pairing:
    """Return the pairs of a text file, in its order: on each line an image, a tab, a label file.

    Args:
        file: The file; paths in it are relative to its folder.

    Raises:
        BddsegError: it is no such file, or lists what does not exist, or an image twice.
    """
    if not file.is_file():
        raise BddsegError(
            f"There are images, {file}, and no labels for them.",
            "Name the labels, too, or give a text file with an image and its label file on each "
            "line, separated by a tab.",
        )
    lines = [line.split("\t") for line in read_lines(file)]
    for number, line in enumerate(lines, 1):
        if len(line) != 2:
            raise BddsegError(
                f"{file}: line {number} has {pluralize(len(line), 'column')}, and an image and its "
                f"label file, separated by a tab, were expected: {line[0]}.",
                "Correct the line.",
            )
    if not lines:
        raise BddsegError(f"{file} lists no pairs.", "Give an image and its label file per line.")
    images, labels = (
        [Path(os.path.normpath(file.parent / path.strip())) for path in column]
        for column in zip(*lines, strict=True)
    )
    for path in (*images, *labels):
        if not path.exists():
            raise BddsegError(f"{file} lists {path}, which does not exist.", "Correct the line.")
    repeated, times = Counter(images).most_common(1)[0]
    if times > 1:
        raise BddsegError(f"{file} lists {repeated} {times} times.", "Remove all but one.")
    # Lines may mix absolute paths with relative ones.
    root = os.path.commonpath([path.absolute().parent for path in images])
    names = [path.absolute().relative_to(root).with_suffix("").as_posix() for path in images]
    return Pairing(
        pairs=[
            (name, image, MaskFile(name, path))
            for name, image, path in zip(names, images, labels, strict=True)
        ]
    )


def _drop_suffixes(label_set: LabelSet, known: Collection[str]) -> LabelSet:
    """Return the label maps under the names of their frames.

    Args:
        label_set: The label maps.
        known: File names of images, without suffix: they are no frame's name with an addition.
    """
    best: dict[str, tuple[int, LabelMapRef]] = {}
    for ref in label_set.values():
        rank, name = _split_name(ref.name, known)
        renamed = MaskFile(name, ref.path) if isinstance(ref, MaskFile) and rank else ref
        if name not in best or rank < best[name][0]:
            best[name] = rank, renamed
    return LabelSet(label_set.source, (ref for _, ref in best.values()))


def _split_name(name: str, known: Collection[str]) -> tuple[int, str]:
    """Return the number of the suffix in a label file's name, and the name without it."""
    if PurePosixPath(name).name not in known:
        for number, suffix in enumerate(_SUFFIXES):
            if suffix and name.endswith(suffix):
                return number, name.removesuffix(suffix)
    return 0, name

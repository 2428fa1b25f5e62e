"""The zip file for the BDD100K drivable-area challenge on EvalAI.

The server expects the masks and nothing else: `NAME.png`, single-channel 8-bit, ids 0 direct,
1 alternative, 2 background, 1280x720, one for each of the 10,000 validation or 20,000 test frames
(bdd100k-challenges on EvalAI).
"""

import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial as bind
from pathlib import Path

import numpy as np

from bddseg.bdd100k.split_check import refuse_other_split
from bddseg.data.mask import get_masks_folder, list_masks
from bddseg.data.mask_checks import sample_masks
from bddseg.errors import BddsegError, quote
from bddseg.io.atomic import open_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.io.png import read_png
from bddseg.io.read import UnreadableFileError
from bddseg.progress import Track, map_in_threads, pluralize, track_silently
from bddseg.tasks.bdd100k import DRIVABLE

# Source: the bdd100k toolkit, doc/source/evaluate.rst, "Drivable Area".
SERVER = "https://eval.ai/web/challenges/challenge-page/1280"

# With fixed times, owners and compression, the bytes of the zip depend only on the masks.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX, _PERMISSIONS = 3, 0o100644 << 16


class Split(StrEnum):
    """A part of the dataset that the server scores."""

    VAL = "val"
    TEST = "test"


NUM_FRAMES = {Split.VAL: 10_000, Split.TEST: 20_000}


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the server would refuse; `file` is empty if it concerns the whole folder."""

    file: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The outcome of packaging.

    Attributes:
        num_masks: Number of masks checked.
        violations: Why the zip was not written; empty if it was.
        size_bytes: Size of the zip.
    """

    num_masks: int
    violations: tuple[Violation, ...]
    size_bytes: int = 0


class _ViolationsError(Exception):
    """Stops writing a zip that the server would refuse."""


def package_masks(
    masks: Path,
    out: Path,
    split: Split,
    *,
    names: Collection[str] | None = None,
    partial: bool = False,
    overwrite: bool = False,
    num_threads: int = 1,
    track: Track = track_silently,
) -> Package:
    """Write the zip of a folder of masks, unless the server would refuse one.

    All masks are checked, so that one call finds every violation. The zip is streamed to disk, and
    the same masks give the same bytes.

    Args:
        masks: A folder of masks, with its subfolders, or the output folder of a run.
        out: The zip file.
        split: Determines the expected number of masks.
        names: Names without suffix of the expected masks, in place of all frames of the split; any
            others are violations.
        partial: Allow missing masks, for tests.
        overwrite: Replace an existing file.
        num_threads: Number of threads.
        track: Shows progress.

    Raises:
        BddsegError: there are no masks, folders are named after another split and there are no
            `names`, or the zip exists or cannot be written.
    """
    masks = get_masks_folder(masks)
    if out.suffix.lower() != ".zip":
        raise BddsegError(f"{out} is not a zip file.", "Use -o submission.zip, for example.")
    paths = sorted(list_masks(masks), key=lambda path: (path.stem, path))
    refuse_overwriting([out], paths, overwrite=overwrite)
    if names is None:
        refuse_other_split(masks, paths, split)
    violations = list(_check_names(paths, masks, split, names, partial=partial))
    sample = sample_masks(masks, paths, DRIVABLE)
    # Each mask with other ids is listed by itself.
    if sample and sample.ids <= set(range(DRIVABLE.num_classes)):
        violations += [Violation("", problem.rstrip(".")) for problem in sample.describe_problems()]
    read = bind(_read_checked, folder=masks)
    try:
        with (
            open_atomically(out) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
            map_in_threads(read, track(paths, "Packaging"), num_threads) as outcomes,
        ):
            for path, outcome in zip(paths, outcomes, strict=True):
                if isinstance(outcome, BddsegError):
                    name = path.relative_to(masks).as_posix()
                    violations.append(Violation(name, outcome.message))
                elif not violations:
                    info = zipfile.ZipInfo(path.name, _EPOCH)
                    info.create_system, info.external_attr = _UNIX, _PERMISSIONS
                    archive.writestr(info, outcome)
            if violations:
                raise _ViolationsError
    except _ViolationsError:
        return Package(num_masks=len(paths), violations=tuple(violations))
    return Package(num_masks=len(paths), violations=(), size_bytes=out.stat().st_size)


def _check_names(
    paths: Sequence[Path],
    masks: Path,
    split: Split,
    names: Collection[str] | None,
    *,
    partial: bool,
) -> Iterator[Violation]:
    expected = NUM_FRAMES[split]
    if names is None and len(paths) != expected and not partial:
        found = pluralize(len(paths), "mask")
        yield Violation("", f"it has {found}, and {split} has {expected:,} frames")
    counts = Counter(path.stem for path in paths)
    for path in paths:
        file = path.relative_to(masks).as_posix()
        if counts[path.stem] > 1:
            yield Violation(file, f"{counts[path.stem]} masks have the same name")
        if names is not None and path.stem not in names:
            yield Violation(file, "it is not in the list of names")
    if names is not None and not partial:
        for name in sorted(set(names) - set(counts)):
            yield Violation(f"{name}.png", "it is in the list of names, and there is no such mask")


def _read_checked(path: Path, folder: Path) -> bytes:
    """Return the bytes of a mask that the server accepts."""
    try:
        image = read_png(path)
    except UnreadableFileError as error:
        raise BddsegError(f"it cannot be read: {error.reason}") from error
    if image.mode != "L":
        problem = f"its mode is {image.mode}, and one 8-bit channel (L) was expected"
        if image.mode in ("P", "RGB"):
            problem += f"; convert them: bddseg labels convert {quote(folder)} -o OUT"
        raise BddsegError(problem)
    if image.pixels.shape != DRIVABLE.frame_size_hw:
        height, width = image.pixels.shape
        raise BddsegError(f"it is {width}x{height}, not 1280x720")
    is_invalid = image.pixels >= DRIVABLE.num_classes
    if is_invalid.any():
        listed = ", ".join(map(str, np.unique(image.pixels[is_invalid])))
        raise BddsegError(f"it has ids {listed}; 0, 1 and 2 are allowed")
    return image.data

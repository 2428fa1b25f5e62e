"""The zip file that the BDD100K drivable-area challenge takes.

The server wants the masks and nothing else: `NAME.png`, single-channel 8-bit, ids 0 direct,
1 alternative, 2 background, 1280x720, one for each of the 10,000 validation or 20,000 test frames
(bdd100k-challenges on EvalAI).
"""

import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bddseg.data.masks import list_masks
from bddseg.errors import BddsegError
from bddseg.files import open_atomically
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.submit.split import Split
from bddseg.tasks import FRAME_SIZE_HW, get_task

# Without a time, an owner or a compression of its own, a zip depends on its masks alone.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX, _PERMISSIONS = 3, 0o100644 << 16


FRAMES = {Split.VAL: 10_000, Split.TEST: 20_000}


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the server would not take; `file` is empty if it is about all of them."""

    file: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What packing came to.

    Attributes:
        masks: number of masks looked at.
        violations: why the zip was not written; empty if it was.
        size_bytes: of the zip.
    """

    masks: int
    violations: tuple[Violation, ...]
    size_bytes: int = 0


class _RefusedError(Exception):
    """Ends the writing of a zip that nobody should have."""


def pack_masks(
    masks: Path,
    out: Path,
    split: Split,
    *,
    names: Collection[str] | None = None,
    partial: bool = False,
    workers: int = 1,
    track: Track = track_silently,
) -> Submission:
    """Write the zip of a folder of masks, unless something in it would be refused.

    All masks are checked, whatever is found, so that one run names every violation. The zip is
    written in a stream, and the same masks make the same bytes.

    Args:
        masks: a folder, with its subfolders.
        out: the zip file.
        split: which says how many masks there have to be.
        names: stems that there have to be, and no others.
        partial: whether fewer masks will do, for trials.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: there are no masks, or the zip cannot be written.
    """
    paths = sorted(list_masks(masks), key=lambda path: (path.stem, path))
    violations = list(_check_names(paths, masks, split, names, partial=partial))
    try:
        with (
            open_atomically(out) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        ):
            outcomes = map_in_threads(_read_checked, track(paths, "Packing"), workers)
            for path, outcome in zip(paths, outcomes, strict=True):
                if isinstance(outcome, BddsegError):
                    where = path.relative_to(masks).as_posix()
                    violations.append(Violation(where, outcome.message))
                elif not violations:
                    archive.writestr(_describe(path), outcome)
            if violations:
                raise _RefusedError
    except _RefusedError:
        return Submission(masks=len(paths), violations=tuple(violations))
    return Submission(masks=len(paths), violations=(), size_bytes=out.stat().st_size)


def _check_names(
    paths: Sequence[Path],
    masks: Path,
    split: Split,
    names: Collection[str] | None,
    *,
    partial: bool,
) -> Iterator[Violation]:
    if len(paths) != FRAMES[split] and not partial:
        yield Violation("", f"there are {len(paths):,} masks, and {split} has {FRAMES[split]:,}")
    counts = Counter(path.stem for path in paths)
    for path in paths:
        where = path.relative_to(masks).as_posix()
        if counts[path.stem] > 1:
            yield Violation(where, f"{counts[path.stem]} masks have this name")
        if names is not None and path.stem not in names:
            yield Violation(where, "no frame of the list has this name")
    if names is not None and not partial:
        for name in sorted(set(names) - set(counts)):
            yield Violation(f"{name}.png", "the list has this frame, and there is no mask of it")


def _read_checked(path: Path) -> bytes:
    """Return the bytes of a mask that the server takes."""
    try:
        data = path.read_bytes()
        with Image.open(BytesIO(data)) as image:
            mode, labels = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise BddsegError(f"it cannot be read: {error}") from error
    if mode != "L":
        raise BddsegError(f"its mode is {mode}, and one channel of 8 bits was expected (L)")
    if labels.shape != FRAME_SIZE_HW:
        raise BddsegError(f"it is {labels.shape[1]}x{labels.shape[0]}, not 1280x720")
    highest = len(get_task("drivable").classes) - 1
    if labels.max() > highest:
        others = sorted(int(value) for value in np.unique(labels) if value > highest)
        raise BddsegError(f"it has ids {', '.join(map(str, others))}; 0, 1 and 2 are allowed")
    return data


def _describe(path: Path) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path.name, _EPOCH)
    info.create_system, info.external_attr = _UNIX, _PERMISSIONS
    return info

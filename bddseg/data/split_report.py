"""What a set of labeled frames holds: sizes, classes, and files that cannot be used."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bddseg.data.labeled_frames import LabeledFrame, LabeledFrames
from bddseg.errors import BddsegError
from bddseg.progress import Track, map_in_threads
from bddseg.tasks.task import IGNORE_INDEX, Task

_Counts = tuple[str, np.ndarray[Any, np.dtype[np.int64]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """What a set of labeled frames holds.

    Attributes:
        frames: Number of images with labels.
        unlabeled: Number of images without labels.
        unused: Number of label maps without an image.
        looked_at: Number of frames that were read.
        sizes: Number of frames of each size, by "WIDTHxHEIGHT".
        encoding: Encoding of the label files.
        class_shares: Share of the pixels of each class, in percent, "ignored" for the others.
        problems: Why it cannot be used, and which files of it, in sentences.
    """

    frames: int
    unlabeled: int
    unused: int
    looked_at: int
    sizes: dict[str, int]
    encoding: str
    class_shares: dict[str, float]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def inspect_frames(
    frames: LabeledFrames, chosen: Sequence[LabeledFrame], task: Task, threads: int, track: Track
) -> SplitReport:
    """Read some frames and their labels, and return what there is.

    Args:
        frames: The set.
        chosen: The frames of it that are read.
        task: Task of the labels.
        threads: Frames read at a time.
        track: Shows progress.
    """

    def read(frame: LabeledFrame) -> _Counts:
        height, width = frame.check_size()
        # Of a file that is cut off, the header is good.
        frame.read_image()
        counts = np.bincount(frame.read_labels(task).ravel(), minlength=IGNORE_INDEX + 1)
        unknown = [value for value in np.flatnonzero(counts).tolist() if not _is_known(value, task)]
        if unknown:
            raise BddsegError(f"{frame.labels.origin} has ids that are no class: {unknown}.")
        return f"{width}x{height}", counts

    sizes: Counter[str] = Counter()
    total = np.zeros(IGNORE_INDEX + 1, np.int64)
    problems = []
    with map_in_threads(read, track(chosen, "Reading frames"), threads) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, BddsegError):
                problems.append(outcome.message)
            else:
                sizes[outcome[0]] += 1
                total += outcome[1]
    pixels = max(int(total.sum()), 1)
    shares = {name: 100 * int(total[number]) / pixels for number, name in enumerate(task.classes)}
    return SplitReport(
        frames=len(frames),
        unlabeled=len(frames.unlabeled),
        unused=len(frames.unused),
        looked_at=len(chosen),
        sizes=dict(sizes.most_common()),
        encoding=frames.encoding.value,
        class_shares=shares | {"ignored": 100 * int(total[IGNORE_INDEX]) / pixels},
        problems=(*frames.problems, *problems),
    )


def _is_known(value: int, task: Task) -> bool:
    return value < task.num_classes or value == IGNORE_INDEX

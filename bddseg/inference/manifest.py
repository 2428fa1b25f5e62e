"""The manifest of a run: its frames, in the work items that workers claim.

It is a text file in the run's folder with a JSON list on each line, one work item: the frames'
[file, name, index, segment], sorted by name.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Self

import msgspec
import numpy as np

from bddseg.data.sources.source import FrameRef, group_frames, group_sequences
from bddseg.io.atomic import open_atomically
from bddseg.record import Failure

MANIFEST_NAME = "manifest.jsonl"
# A few frames at a time keep the queue quiet; few enough that all workers get their share.
_MAX_ITEM_FRAMES = 16
_ITEMS_PER_WORKER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """Frames that a worker claims together.

    Attributes:
        number: Its number; first those of the manifest, from 0.
        refs: The frames.
        is_suspect: A worker died while it had the frame; there is only one.
    """

    number: int
    refs: list[FrameRef]
    is_suspect: bool = False


class Outcome(msgspec.Struct, tag=True, kw_only=True):
    """What became of the frames of a work item.

    Attributes:
        number: Number of the item.
        left: Number of frames that are not dealt with.
        done: Number of frames whose results were written.
        skipped: Number of frames whose results were there already.
        failures: Frames without a result.
    """

    number: int
    left: int
    done: int = 0
    skipped: int = 0
    failures: list[Failure] = []


def write_manifest(
    path: Path, refs: Iterable[FrameRef], *, num_workers: int, sequences: bool = False
) -> int:
    """Write a manifest and return its number of work items.

    Args:
        path: The file.
        refs: The frames; only some of them are in memory at a time.
        num_workers: Number of workers, which should all get work items of a short run too.
        sequences: Each work item is a whole sequence.

    Raises:
        BddsegError: it cannot be written.
    """
    remaining = iter(refs)
    # Only the number of frames of a short run matters.
    first = list(islice(remaining, _MAX_ITEM_FRAMES * _ITEMS_PER_WORKER * num_workers))
    item_size = max(1, len(first) // (_ITEMS_PER_WORKER * num_workers))
    num_items = 0
    refs = chain(first, remaining)
    with open_atomically(path) as file:
        for item in group_sequences(refs) if sequences else group_frames(refs, item_size):
            rows = [(ref.file, ref.name, ref.index, ref.segment) for ref in item]
            file.write(json.dumps(rows).encode() + b"\n")
            num_items += 1
    return num_items


class Manifest:
    """A manifest on disk, of which a work item is read at a time.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("rb")
        self._starts = np.array(list(_find_lines(self._file)), np.int64)

    def __len__(self) -> int:
        return len(self._starts)

    def read(self, number: int) -> list[FrameRef]:
        """Return the frames of a work item."""
        self._file.seek(int(self._starts[number]))
        return [FrameRef(*row) for row in json.loads(self._file.readline())]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _find_lines(file: IO[bytes]) -> Iterator[int]:
    start = 0
    for line in file:
        yield start
        start += len(line)

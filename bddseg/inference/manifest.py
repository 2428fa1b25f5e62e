"""The manifest of a run: its frames, in the work items that workers claim.

It is a text file in the run's folder with a JSON list on each line, one work item: the frames'
[file, name, index, segment], sorted by name.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Self

import numpy as np

from bddseg.data.sources.source import FrameRef, group_frames
from bddseg.io.atomic import open_atomically

MANIFEST_NAME = "manifest.jsonl"
# A few frames at a time keep the queue quiet; few enough that all workers get their share.
_MAX_ITEM_FRAMES = 16
_ITEMS_PER_WORKER = 8


def write_manifest(path: Path, refs: Iterable[FrameRef], *, num_workers: int) -> int:
    """Write a manifest and return its number of work items.

    Args:
        path: The file.
        refs: The frames; only some of them are in memory at a time.
        num_workers: Number of workers, which should all get work items of a short run too.

    Raises:
        BddsegError: it cannot be written.
    """
    remaining = iter(refs)
    # Only the number of frames of a short run matters.
    first = list(islice(remaining, _MAX_ITEM_FRAMES * _ITEMS_PER_WORKER * num_workers))
    item_size = max(1, len(first) // (_ITEMS_PER_WORKER * num_workers))
    num_items = 0
    with open_atomically(path) as file:
        for item in group_frames(chain(first, remaining), item_size):
            rows = [(ref.file, ref.name, ref.index, ref.segment) for ref in item]
            file.write(json.dumps(rows).encode() + b"\n")
            num_items += 1
    return num_items


class Manifest:
    """A manifest on disk, of which a work item is read at a time; threads may share it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("rb")
        self._lock = threading.Lock()
        self._starts = np.array(list(_find_lines(self._file)), np.int64)

    def __len__(self) -> int:
        return len(self._starts)

    def read(self, number: int) -> list[FrameRef]:
        """Return the frames of a work item."""
        with self._lock:
            self._file.seek(int(self._starts[number]))
            rows = json.loads(self._file.readline())
        return [FrameRef(*row) for row in rows]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _find_lines(file: IO[bytes]) -> Iterator[int]:
    start = 0
    for line in file:
        yield start
        start += len(line)

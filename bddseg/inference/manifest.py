"""The manifest of a run: its frames, in the work items that workers claim.

It is a text file in the run's folder with a JSON list on each line, one work item: the frames'
[path, name, index, segment], sorted by name.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Self

import numpy as np

from bddseg.data.sources.source import FrameRef, group_frames
from bddseg.io.atomic import open_atomically

MANIFEST_NAME = "manifest.jsonl"
# A few frames at a time keep the queue quiet; few enough that all workers get their share.
_MAX_ITEM_FRAMES = 16
_ITEMS_PER_WORKER = 8


def choose_item_size(num_frames: int, num_workers: int) -> int:
    """Return how many frames a work item has."""
    return max(1, min(_MAX_ITEM_FRAMES, num_frames // (num_workers * _ITEMS_PER_WORKER)))


def write_manifest(path: Path, refs: Iterable[FrameRef], item_size: int) -> int:
    """Write a manifest and return its number of work items.

    Frames of one segment of a video are one work item, whatever its size: they are decoded from
    the same key frame.

    Raises:
        BddsegError: it cannot be written.
    """
    num_items = 0
    with open_atomically(path) as file:
        for item in group_frames(refs, item_size):
            rows = [(str(ref.path), ref.name, ref.index, ref.segment) for ref in item]
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
        return [FrameRef(Path(path), name, index, segment) for path, name, index, segment in rows]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _find_lines(file: IO[bytes]) -> Iterator[int]:
    start = 0
    for line in file:
        yield start
        start += len(line)

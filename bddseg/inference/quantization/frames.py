"""The frames of a quantization: which of them calibrate, which are scored, and their labels."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bddseg.data.label_set import LabelMapRef
from bddseg.data.sources.source import FrameRef, Selection, Source, open_source
from bddseg.data.task_labels import open_as_task
from bddseg.errors import BddsegError
from bddseg.progress import pluralize
from bddseg.tasks.task import Task
from bddseg.types import Image, LabelMap

# One of so many frames calibrates.
_EVERY = 5
_MIN_CALIBRATION, _MAX_CALIBRATION = 4, 64
MIN_FRAMES = 8


@dataclass(frozen=True)
class Frames:
    """Frames that calibrate ranges, and others that are scored.

    Attributes:
        source: Where they come from.
        calibration: Those that calibrate.
        scored: All others.
        truth: Ground truth of the scored ones, by name; empty without.
        notes: Notes about the ground truth, in sentences.
    """

    source: Source
    calibration: list[FrameRef]
    scored: list[FrameRef]
    truth: dict[str, LabelMapRef]
    notes: tuple[str, ...] = ()

    def read(self, refs: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Image]]:
        """Yield frames, RGB (H, W, 3), uint8.

        Raises:
            BddsegError: one cannot be read.
        """
        for ref, image in self.source.read(refs):
            if isinstance(image, BddsegError):
                raise image
            yield ref, image


def open_frames(
    source: str | Path, task: Task, *, ground_truth: Path | None = None, limit: int | None = None
) -> Frames:
    """Return the frames of a source, one of five for calibration, and check them.

    Raises:
        BddsegError: the source cannot be opened or is live; there are too few frames; those that
            calibrate are all of one color, or all the same; ground truth is missing.
    """
    opened = open_source(str(source), Selection(limit=limit))
    if opened.is_live:
        raise BddsegError(
            f"{source} is a live source: its frames cannot be read twice.", "Record some frames."
        )
    refs = list(opened.items())
    if len(refs) < MIN_FRAMES:
        raise BddsegError(
            f"{source} holds {pluralize(len(refs), 'frame')}, and quantization needs at least "
            f"{MIN_FRAMES}; 300 are better.",
            "Give more frames, as different as those that the model will see.",
        )
    count = min(max(len(refs) // _EVERY, _MIN_CALIBRATION), _MAX_CALIBRATION)
    chosen = {number * len(refs) // count for number in range(count)}
    scored = [ref for number, ref in enumerate(refs) if number not in chosen]
    truth, notes = _find_truth(ground_truth, scored, task) if ground_truth else ({}, [])
    frames = Frames(
        opened,
        [ref for number, ref in enumerate(refs) if number in chosen],
        scored,
        truth,
        tuple(notes),
    )
    _check_content(frames, source)
    return frames


def _check_content(frames: Frames, source: str | Path) -> None:
    """Refuse frames from which no ranges can be learned."""
    contents = set()
    for _, image in frames.read(frames.calibration):
        contents.add(zlib.crc32(image.tobytes()) if np.ptp(image, axis=(0, 1)).any() else None)
    if contents == {None}:
        found = "of one color each"
    elif len(contents) == 1:
        found = "all the same"
    else:
        return
    raise BddsegError(
        f"The {pluralize(len(frames.calibration), 'frame')} of {source} for calibration are "
        f"{found}.",
        "Give frames as different as those that the model will see.",
    )


def _find_truth(
    ground_truth: Path, refs: Sequence[FrameRef], task: Task
) -> tuple[dict[str, LabelMapRef], list[str]]:
    labels, notes = open_as_task(ground_truth, task)
    found = {ref.name: labels.find(ref.name) for ref in refs}
    missing = [name for name, truth in found.items() if truth is None]
    if missing:
        raise BddsegError(
            f"{ground_truth} has no ground truth for {len(missing)} of the "
            f"{pluralize(len(refs), 'frame')} to score, such as {missing[0]}.",
            "Labels and frames are paired by file name without the suffix: give frames that have "
            "ground truth, or leave -g out.",
        )
    return {name: truth for name, truth in found.items() if truth is not None}, notes


class LabelStore:
    """Label maps in memory, compressed: those of hundreds of frames."""

    def __init__(self) -> None:
        self._maps: dict[str, tuple[bytes, tuple[int, ...]]] = {}

    def get(self, name: str, compute: Callable[[], LabelMap]) -> LabelMap:
        """Return the labels of a frame; they are computed the first time."""
        if name not in self._maps:
            labels = compute()
            self._maps[name] = zlib.compress(labels.tobytes(), 1), labels.shape
        content, shape = self._maps[name]
        return np.frombuffer(zlib.decompress(content), np.uint8).reshape(shape)

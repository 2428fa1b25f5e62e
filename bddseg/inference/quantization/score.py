"""What int8 layers cost: pixels that change, and points of mean IoU."""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bddseg.data.label_set import LabelMapRef
from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor
from bddseg.inference.quantization.frames import Frames, LabelStore
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.metrics.confusion import count_pixels
from bddseg.metrics.official import compute_official_score
from bddseg.progress import Progress
from bddseg.specs import Entry
from bddseg.tasks.task import Task, get_task
from bddseg.types import LabelMap

_TIMED, _WARM_UP = 9, 3


@dataclass(frozen=True, slots=True)
class Score:
    """How a network does on frames.

    Attributes:
        changed: Pixels whose label differs from that of the fp32 network, in percent.
        miou: Official mean IoU, in percent; None without ground truth.
    """

    changed: float
    miou: float | None


class Scorer:
    """Scores networks on frames, against the labels of the one in fp32.

    Args:
        entry: The model.
        reference: Its network in fp32.
        frames: The frames.
    """

    def __init__(self, entry: Entry, reference: Runtime, frames: Frames) -> None:
        self._entry = entry
        self._reference = Predictor(entry, reference)
        self._frames = frames
        self._labels = LabelStore()
        self._truth = LabelStore()

    def score(
        self,
        network: Runtime | None,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> Score:
        """Return the score of a network; without one, that of the network in fp32.

        Args:
            network: The network.
            limit: Only so many frames, evenly spread.
            progress: Shows how many frames are done.
        """
        task = get_task(self._entry.task)
        predictor = Predictor(self._entry, network) if network else None
        refs = self._frames.scored
        refs = refs[:: max(len(refs) // limit, 1)][:limit] if limit else refs
        counts = np.zeros((task.num_classes + 1, task.num_classes + 1), np.int64)
        changed = total = 0
        for done, (ref, image) in enumerate(self._frames.read(refs), 1):
            expected = self._labels.get(ref.name, lambda: self._reference(image).labels)  # noqa: B023
            labels = predictor(image).labels if predictor else expected
            changed += int(np.count_nonzero(labels != expected))
            total += labels.size
            if truth := self._frames.truth.get(ref.name):
                counts += count_pixels(self._read(ref, truth, labels), labels, len(counts))
            if progress:
                progress.update(done=done, total=len(refs))
        return Score(100 * changed / total, _get_miou(counts, task) if counts.any() else None)

    def _read(self, ref: FrameRef, truth: LabelMapRef, labels: LabelMap) -> LabelMap:
        read = self._truth.get(ref.name, lambda: _read_truth(truth, labels))
        if read.shape != labels.shape:
            sizes = [f"{each.shape[1]}x{each.shape[0]}" for each in (read, labels)]
            raise BddsegError(
                f"{truth.origin} is {sizes[0]}, but its frame {ref} is {sizes[1]}.",
                "Both must have the same size.",
            )
        return read


def _read_truth(truth: LabelMapRef, labels: LabelMap) -> LabelMap:
    read = truth.read()
    # A frame without labels in Scalabel's format has no size.
    return np.full_like(labels, 255) if read is None else read


def _get_miou(counts: Any, task: Task) -> float:
    return float(compute_official_score(counts, task)["mean"]["iou"])


def time_networks(networks: dict[str, Runtime], images: Any) -> dict[str, float]:
    """Return the milliseconds that each network takes: medians of several runs."""
    return {name: _time(network, images) for name, network in networks.items()}


def _time(network: Runtime, images: Any) -> float:
    # One after the other, not in turn: threads of torch wait busily for a while after a run.
    seconds = []
    for _ in range(_TIMED + _WARM_UP):
        start = time.perf_counter()
        network.infer(images)
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds[_WARM_UP:])

"""Scoring the network on the validation frames, with the metrics and the masks of `bddseg eval`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bddseg.data.image import write_jpeg
from bddseg.data.labeled_frames import LabeledFrame
from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.metrics.metric import METRICS, FramePair, Metric, compute_headlines
from bddseg.models.build import build_network
from bddseg.models.network import fuse
from bddseg.progress import map_in_threads
from bddseg.specs import Entry
from bddseg.types import Image, LabelMap
from bddseg.vis.overlay import overlay_labels
from bddseg_train.checkpoint import TrainingState
from bddseg_train.data import OpenedData
from bddseg_train.distributed import Group
from bddseg_train.folder import RunFolder
from bddseg_train.recipe import Recipe
from bddseg_train.result import write_model
from bddseg_train.scored import AVERAGE, WEIGHTS, Scored

_METRICS = ("official", "standard")
_NUM_THREADS = 2


class Evaluator:
    """Scores the network during a run, and keeps the best weights as a model.

    Args:
        recipe: The recipe.
        entry: Entry of the network.
        data: Frames.
        folder: Folder of the run.
        group: The processes of the run; all of them evaluate.

    Attributes:
        last: Scores of the last evaluation; where an average of the weights is kept, its own.
    """

    def __init__(
        self, recipe: Recipe, entry: Entry, data: OpenedData, folder: RunFolder, group: Group
    ) -> None:
        self._recipe = recipe
        self._entry = entry
        self._data = data
        self._folder = folder
        self._group = group
        self.last: Scored | None = None

    def evaluate(self, state: TrainingState) -> dict[str, Any]:
        """Return the scores of the weights and of their average, and keep what is best so far.

        Without validation frames, the last weights are kept.
        """
        candidates = {WEIGHTS: state.network.state_dict()}
        if state.average:
            candidates[AVERAGE] = state.average.state
        if self._data.validation is None:
            *_, weights = candidates.values()
            self._keep(state, weights)
            return {}
        found: dict[str, Any] = {}
        for name, weights in candidates.items():
            self.last = _describe(self._score(weights, state.step), name, state.step)
            found[name] = self.last.scores
            if state.best is None or self.last.score > state.best.score:
                state.best = self.last
                self._keep(state, weights)
        return found

    def _score(self, weights: Mapping[str, Tensor], step: int) -> dict[str, Metric]:
        spec = self._recipe.evaluation
        assert self._data.validation is not None
        return score(
            make_predictor(self._entry, weights, self._group.device),
            self._data.validation[: spec.limit],
            self._group,
            examples=self._folder.examples / f"{step:06}",
            num_examples=spec.examples,
        )

    def _keep(self, state: TrainingState, weights: Mapping[str, Tensor]) -> None:
        if self._group.is_first:
            state.save(self._folder.best)
            write_model(self._folder, self._recipe, self._entry, weights, self._data, state.best)


def make_predictor(entry: Entry, state: Mapping[str, Tensor], device: torch.device) -> Predictor:
    """Return a model with these weights, as `bddseg infer` would run it."""
    network = build_network(entry)
    network.load_state_dict(state)
    fuse(network.eval())
    return Predictor(entry, TorchRuntime(network, entry.task, device))  # type: ignore[arg-type]


def score(
    predictor: Predictor,
    frames: Sequence[LabeledFrame],
    group: Group,
    *,
    examples: Path | None = None,
    num_examples: int = 0,
) -> dict[str, Metric]:
    """Return the metrics of a model on frames, each process having a share of them.

    Args:
        predictor: The model.
        frames: Frames with their ground truth.
        group: The processes.
        examples: Folder for overlays of the first frames: ground truth beside prediction.
        num_examples: Number of these.

    Raises:
        BddsegError: a frame or its ground truth cannot be read, their sizes differ, or the
            network's output is not finite.
    """
    task = predictor.task
    metrics = {name: METRICS.load(name)(task) for name in _METRICS}
    own = frames[group.rank :: group.world_size]

    def read(frame: LabeledFrame) -> tuple[LabeledFrame, Image, LabelMap]:
        return frame, frame.read_image(), frame.read_labels(task)

    with map_in_threads(read, own, _NUM_THREADS) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, BddsegError):
                raise outcome
            frame, image, truth = outcome
            if truth.shape != image.shape[:2]:
                raise _differing_sizes(frame, image, truth)
            prediction = _predict(predictor, frame, image)
            for metric in metrics.values():
                metric.update(FramePair(truth, prediction.labels, task))
            if examples and frame in frames[:num_examples]:
                _draw_example(examples / f"{Path(frame.name).name}.jpg", image, truth, prediction)
    for metric in metrics.values():
        counts = group.sum(torch.from_numpy(metric.counts).to(group.device))
        metric.counts = counts.numpy(force=True)
    return metrics


def _describe(metrics: Mapping[str, Metric], weights: str, step: int) -> Scored:
    """Return the scores of weights, which are chosen by the standard mean IoU.

    The official one ignores false positives on the background, so that it prefers networks that
    find drivable area everywhere.
    """
    (headline, *_) = metrics["standard"].table.headlines
    name, scores = f"standard_{headline.key}", compute_headlines(metrics)
    return Scored(step=step, weights=weights, score=scores[name], chosen_by=name, scores=scores)


def _predict(predictor: Predictor, frame: LabeledFrame, image: Image) -> Prediction:
    try:
        return predictor(image)
    # For an image that was read, it has no other cause.
    except BddsegError as error:
        raise BddsegError(
            f"Training has diverged: the network's output for {frame.image} is not finite.",
            "Start again in another folder, or with --overwrite, with a lower learning rate (--set "
            "optimizer.lr=...) or gradient clipping (--set optimizer.clip_norm=1.0).",
        ) from error


def _draw_example(path: Path, image: Image, truth: LabelMap, prediction: Prediction) -> None:
    overlays = [
        overlay_labels(image, labels, prediction.task) for labels in (truth, prediction.labels)
    ]
    write_jpeg(path, np.hstack(overlays), quality=85)


def _differing_sizes(frame: LabeledFrame, image: Image, truth: LabelMap) -> BddsegError:
    sizes = " and ".join(f"{each.shape[0]}x{each.shape[1]}" for each in (image, truth))
    return BddsegError(
        f"{frame.image} and its labels {frame.labels.origin} have different sizes: {sizes}.",
        "Give labels of the frame's size.",
    )

"""Scoring predictions against ground truth."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bddseg.data.label_set import open_label_set
from bddseg.data.result_task import find_task
from bddseg.errors import BddsegError
from bddseg.metrics.collection import MetricCollection, choose_metrics
from bddseg.metrics.evaluation import Evaluation, FrameResult
from bddseg.metrics.pairing import Pair, pair_label_sets, read_pair
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks.task import Task


def evaluate(
    ground_truth: str | Path,
    predictions: str | Path,
    *,
    task: Task | str | None = None,
    metrics: Sequence[str] = (),
    num_threads: int = 1,
    track: Track = track_silently,
) -> Evaluation:
    """Return the scores of predictions against ground truth.

    Args:
        ground_truth: A folder of masks, a JSON file in Scalabel's format, or a folder of such
            files.
        predictions: Likewise, or the output folder of a run. They are paired with the ground truth
            by path below the source or, failing that, by file name.
        task: Task of the masks, or its name; by default the one in the run record beside the
            predictions, else drivable.
        metrics: Names of metrics to compute in addition to official, standard and binary, such as
            "boundary".
        num_threads: Number of threads.
        track: Shows progress.

    Raises:
        BddsegError: a source is missing, empty or of another task; a metric is unknown; nothing
            can be paired; a label map is unreadable or of another size than its ground truth. A
            score without such a frame would mislead, so the first one ends the evaluation.
    """
    ground_truth, predictions = Path(ground_truth), Path(predictions)
    task = find_task(task, ground_truth, predictions)
    names = choose_metrics(task, [metrics] if isinstance(metrics, str) else metrics)
    true_labels, predicted_labels = (
        open_label_set(source, task) for source in (ground_truth, predictions)
    )
    pairs = pair_label_sets(true_labels, predicted_labels)
    total = MetricCollection(task, names)
    frames: list[FrameResult] = []
    score = partial(score_pair, task=task, metrics=names)
    for outcome in map_in_threads(score, track(pairs, "Scoring"), num_threads):
        if isinstance(outcome, BddsegError):
            raise outcome
        total.merge(outcome.metrics)
        frames.append(outcome)
    used = {pair.prediction.name for pair in pairs if pair.prediction}
    extra = tuple(name for name in predicted_labels if name not in used)
    return Evaluation(task=task, frames=tuple(frames), extra=extra, metrics=total)


def score_pair(pair: Pair, task: Task, metrics: Sequence[str]) -> FrameResult:
    """Return the result of one frame.

    Args:
        pair: Files of the frame.
        task: Task of both.
        metrics: Names of the metrics.

    Raises:
        BddsegError: a label map cannot be read, or the two differ in size.
    """
    collection = MetricCollection(task, metrics)
    labels = read_pair(pair, task)
    collection.update(labels)
    return FrameResult(
        name=pair.ground_truth.name,
        is_missing=pair.prediction is None,
        confusion=labels.confusion,
        metrics=collection,
    )

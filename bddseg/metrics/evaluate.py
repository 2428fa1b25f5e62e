"""Scoring predictions against ground truth."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bddseg.data.label_set import LabelSet, MaskFile, open_label_set
from bddseg.data.mask_checks import sample_masks
from bddseg.data.result_task import find_task
from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import Evaluation, FrameResult
from bddseg.metrics.metric import METRICS
from bddseg.metrics.pairing import Pair, pair_label_sets, read_pair
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.tasks.task import Task

# Computed always, binary only where the task has a background.
_DEFAULT_METRICS = ("official", "standard", "binary")


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
        BddsegError: a source is missing, empty or of another task; the ground truth has legacy
            ids; a metric is unknown; nothing can be paired; a label map is unreadable or of
            another size than its ground truth. A score without such a frame would mislead, so the
            first one ends the evaluation.
    """
    ground_truth, predictions = Path(ground_truth), Path(predictions)
    task = find_task(task, ground_truth, predictions)
    names = _choose_metrics(task, [metrics] if isinstance(metrics, str) else metrics)
    true_labels = open_label_set(ground_truth, task)
    predicted_labels = open_label_set(predictions, task)
    pairs = pair_label_sets(true_labels, predicted_labels)
    problems = _check_encodings(true_labels, predicted_labels, task)
    frames: list[FrameResult] = []
    score = partial(_score_pair, task=task, metrics=names)
    with map_in_threads(score, track(pairs, "Scoring"), num_threads) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, BddsegError):
                raise outcome
            frames.append(outcome)
    used = {prediction.name for _, prediction in pairs if prediction}
    extra = tuple(name for name in predicted_labels if name not in used)
    return Evaluation(task=task, frames=tuple(frames), extra=extra, problems=tuple(problems))


def _check_encodings(ground_truth: LabelSet, predictions: LabelSet, task: Task) -> list[str]:
    """Return why masks may be of another task or encoding; refuse a legacy ground truth."""
    problems: list[str] = []
    for labels in (ground_truth, predictions):
        masks = [ref.path for ref in labels.values() if isinstance(ref, MaskFile)]
        sample = sample_masks(labels.source, masks, task)
        if sample and labels is ground_truth:
            sample.refuse_legacy()
        problems += sample.describe_problems() if sample else []
    return problems


def _choose_metrics(task: Task, further: Sequence[str]) -> list[str]:
    """Return the names of the default metrics and of further ones, each once."""
    for name in further:
        if not METRICS.load(name).supports(task):
            raise BddsegError(
                f"The metric '{name}' does not support the task {task.name}.",
                "Choose another metric or another task.",
            )
    defaults = [name for name in _DEFAULT_METRICS if METRICS.load(name).supports(task)]
    return list(dict.fromkeys([*defaults, *further]))


def _score_pair(pair: Pair, task: Task, metrics: Sequence[str]) -> FrameResult:
    labels = read_pair(pair, task)
    counted = {name: METRICS.load(name)(task) for name in metrics}
    for metric in counted.values():
        metric.update(labels)
    return FrameResult(name=pair[0].name, is_missing=pair[1] is None, metrics=counted)

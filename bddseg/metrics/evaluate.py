"""Scoring predictions against ground truth."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bddseg.data.result_task import find_score_task
from bddseg.data.task_labels import open_as_task
from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import Evaluation, FrameResult
from bddseg.metrics.metric import METRICS
from bddseg.metrics.pairing import Pair, pair_label_sets, read_pair
from bddseg.metrics.provenance import describe_provenance
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
        task: Task to score as, or its name; by default the one in the run record beside the
            predictions, else drivable. Labels of a finer task are mapped, with a note in
            `Evaluation.notes`: drivable becomes drivable_binary.
        metrics: Names of metrics to compute in addition to official, standard and binary, such as
            "boundary", within 2 % of the diagonal of classes' edges; "all" for all that support
            the task.
        num_threads: Number of threads.
        track: Shows progress.

    Raises:
        BddsegError: a source is missing, empty or of another task; masks have legacy ids; a
            metric is unknown; nothing can be paired; a label map is unreadable or of
            another size than its ground truth. A score without such a frame would mislead, so the
            first one ends the evaluation.
    """
    ground_truth, predictions = Path(ground_truth), Path(predictions)
    task = find_score_task(task, ground_truth, predictions)
    names = _choose_metrics(task, [metrics] if isinstance(metrics, str) else metrics)
    true_labels, true_notes = open_as_task(ground_truth, task)
    predicted_labels, predicted_notes = open_as_task(predictions, task)
    pairs = pair_label_sets(true_labels, predicted_labels)
    frames: list[FrameResult] = []
    score = partial(_score_pair, task=task, metrics=names)
    with map_in_threads(score, track(pairs, "Scoring"), num_threads) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, BddsegError):
                raise outcome
            frames.append(outcome)
    used = {prediction.name for _, prediction in pairs if prediction}
    extra = tuple(name for name in predicted_labels if name not in used)
    return Evaluation(
        task=task,
        frames=tuple(frames),
        extra=extra,
        notes=(*true_notes, *predicted_notes),
        provenance=describe_provenance(ground_truth, predictions, len(frames), frames[0].metrics),
    )


def _choose_metrics(task: Task, further: Sequence[str]) -> list[str]:
    """Return the names of the default metrics and of further ones, each once."""
    if "all" in further:
        further = [name for name in METRICS.list_names() if METRICS.load(name).supports(task)]
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

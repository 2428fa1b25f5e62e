"""Which prediction belongs to which ground truth, and reading the two."""

import numpy as np

from bddseg.data.label_set import LabelMapRef, LabelSet
from bddseg.errors import BddsegError
from bddseg.metrics.metric import FramePair
from bddseg.record import find_record
from bddseg.tasks.task import Task
from bddseg.types import LabelMap, SizeHW

# The ground truth and, if there is one, the prediction of one frame.
Pair = tuple[LabelMapRef, LabelMapRef | None]


def pair_label_sets(ground_truth: LabelSet, predictions: LabelSet) -> list[Pair]:
    """Return a pair for each frame of the ground truth, in its order.

    A prediction is found by its path below the source or, failing that, by its file name.

    Raises:
        BddsegError: nothing can be paired, several files fit, or the two sources look swapped.
    """
    if find_record(ground_truth.source) and not find_record(predictions.source):
        raise BddsegError(
            f"{ground_truth.source} holds the results of a run (it has a run.json), "
            "not ground truth.",
            f"Are the two swapped? Try -g {predictions.source} -r {ground_truth.source}.",
        )
    found = predictions.match({name: ref.origin for name, ref in ground_truth.items()})
    pairs = list(zip(ground_truth.values(), found, strict=True))
    if not any(prediction for _, prediction in pairs):
        raise BddsegError(
            f"No file name in {predictions.source} is also in {ground_truth.source} "
            f"(such as {pairs[0][0].name}).",
            "Ground truth and predictions are paired by file name without the suffix; check both.",
        )
    return pairs


def read_pair(pair: Pair, task: Task, size_hw: SizeHW | None = None) -> FramePair:
    """Return the label maps of a frame.

    A missing prediction is outside all classes everywhere, as in the official evaluator.

    Args:
        pair: Where they are.
        task: Task of both.
        size_hw: Size of a frame that has it from neither; by default, that of the dataset's frames.

    Raises:
        BddsegError: a label map cannot be read, or the two differ in size.
    """
    true_ref, predicted_ref = pair
    labels = true_ref.read(), predicted_ref.read() if predicted_ref else None
    # A Scalabel frame without labels may have no size.
    default = size_hw or task.frame_size_hw or (0, 0)
    shape = next((each.shape for each in labels if each is not None), default)
    fills = task.fill_id, task.fill_id if predicted_ref else task.num_classes
    ground_truth, prediction = (
        np.full(shape, fill, np.uint8) if each is None else each
        for each, fill in zip(labels, fills, strict=True)
    )
    if predicted_ref and ground_truth.shape != prediction.shape:
        raise BddsegError(
            f"{predicted_ref.origin} is {_describe_size(prediction)}, but its ground truth "
            f"{true_ref.origin} is {_describe_size(ground_truth)}.",
            "Both must have the same size; predict again from the frames at full size.",
        )
    return FramePair(ground_truth, prediction, task)


def _describe_size(labels: LabelMap) -> str:
    return f"{labels.shape[1]}x{labels.shape[0]}"

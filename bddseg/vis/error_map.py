"""Error maps: where predictions differ from the ground truth, drawn on the frames."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from bddseg.data.image import encode_jpeg, read_image
from bddseg.data.label_set import LabelMapRef, LabelSet
from bddseg.data.sources.source import FrameRef
from bddseg.data.task_labels import open_as_task
from bddseg.errors import BddsegError
from bddseg.metrics.confusion import Counts
from bddseg.metrics.metric import name_mean
from bddseg.metrics.pairing import read_pair
from bddseg.metrics.standard import compute_standard_score
from bddseg.progress import pluralize
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import Color, Image, LabelMap
from bddseg.vis.batch import (
    DEFAULT_OPTIONS,
    DrawJob,
    DrawOptions,
    DrawResult,
    MatchedFrames,
    draw_images,
    match_frames,
)
from bddseg.vis.colorize import ColoredLabels
from bddseg.vis.overlay import describe_resizing, overlay_colored, resize_labels
from bddseg.vis.text import Line, draw_text_box

_UNMARKED, TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE, WRONG_CLASS = range(5)
# Colors that can be told apart with any type of color vision: Okabe and Ito, "Color Universal
# Design", 2008.
COLORS: dict[int, Color] = {
    TRUE_POSITIVE: (0, 114, 178),
    FALSE_NEGATIVE: (213, 94, 0),
    FALSE_POSITIVE: (240, 228, 66),
    WRONG_CLASS: (204, 121, 167),
}
LEGEND = {
    TRUE_POSITIVE: "true positive",
    FALSE_NEGATIVE: "false negative: only in the ground truth",
    FALSE_POSITIVE: "false positive: only in the prediction",
    WRONG_CLASS: "wrong class",
}
# Errors must stand out; where the prediction is right, the frame stays visible.
_CORRECT_ALPHA, _ERROR_ALPHA = 0.35, 0.75


def draw_error_maps(
    frames: str,
    ground_truth: Path,
    results: Path,
    out: Path,
    task: Task,
    *,
    names: Sequence[str] | None = None,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> DrawResult:
    """Write an error map for each frame that has a ground truth and a prediction.

    Args:
        frames: An image, a folder, a glob pattern or a list file.
        ground_truth: A folder of masks, or Scalabel JSON; see `open_as_task`.
        results: The predictions, in the same formats.
        out: A folder.
        task: Task of the masks.
        names: Draw only the frames whose ground truth has these names, as in the table that
            `bddseg eval --per-image` writes. The files are numbered in this order.
        options: See `DrawOptions`.

    Raises:
        BddsegError: see `open_as_task`; there are no frames or no masks, no frame has both masks, a
            frame of `names` lacks one, or an error map would overwrite a file.
    """
    (true_labels, true_notes), (predicted_labels, predicted_notes) = (
        open_as_task(source, task) for source in (ground_truth, results)
    )
    label_sets = [true_labels, predicted_labels]
    frame_set = match_frames(frames, label_sets, exclude=out)
    matched, unpaired = list(frame_set.matched), frame_set.unpaired
    targets = [frame.name for frame, _ in matched]
    if names is not None:
        matched, unpaired = _select(frame_set, names, label_sets[0]), ()
        digits = len(str(len(names)))
        targets = [
            f"{rank:0{digits}}-{PurePosixPath(name).name}"
            for rank, name in enumerate(names, start=1)
        ]
    jobs = [
        DrawJob(
            target=out / f"{target}.jpg",
            inputs=(frame.path, *(ref.path for ref in refs)),
            draw=partial(_draw, frame.path, *refs, task=task),
        )
        for target, (frame, refs) in zip(targets, matched, strict=True)
    ]
    result = draw_images(
        jobs[: options.limit], "Drawing error maps", unpaired=unpaired, options=options
    )
    return replace(result, notes=(*true_notes, *predicted_notes))


def classify_pixels(ground_truth: LabelMap, prediction: LabelMap, task: Task) -> LabelMap:
    """Return the outcome of each pixel, (H, W), uint8: `TRUE_POSITIVE` and so on, else 0.

    Pixels where both are background, or where the ground truth is unknown (255), are 0. An unknown
    prediction counts as background.

    Args:
        ground_truth: Class ids, (H, W), uint8.
        prediction: Class ids, (H, W), uint8.
        task: Task of both.
    """
    num_foreground = len(task.foreground)
    actual, predicted = ground_truth < num_foreground, prediction < num_foreground
    outcome = np.full(ground_truth.shape, _UNMARKED, np.uint8)
    outcome[actual & ~predicted] = FALSE_NEGATIVE
    outcome[predicted & ~actual] = FALSE_POSITIVE
    both = actual & predicted
    outcome[both] = np.where(ground_truth[both] == prediction[both], TRUE_POSITIVE, WRONG_CLASS)
    outcome[ground_truth == IGNORE_INDEX] = _UNMARKED
    return outcome


def overlay_outcome(image: Image, outcome: LabelMap) -> Image:
    """Return an image, RGB, (H, W, 3), uint8, with the colors of outcomes blended in.

    Args:
        image: The frame.
        outcome: What `classify_pixels` returns; resized by nearest neighbor.
    """
    correct, wrong = np.zeros((2, 256, 3), np.uint8)
    for kind, color in COLORS.items():
        (correct if kind == TRUE_POSITIVE else wrong)[kind] = color
    image = overlay_colored(image, ColoredLabels(outcome, correct), _CORRECT_ALPHA)
    return overlay_colored(image, ColoredLabels(outcome, wrong), _ERROR_ALPHA)


def _select(
    frame_set: MatchedFrames, names: Sequence[str], ground_truth: LabelSet
) -> list[tuple[FrameRef, tuple[LabelMapRef, ...]]]:
    """Return the frames whose ground truth has one of the names, in the order of the names."""
    by_name = {refs[0].name: (frame, refs) for frame, refs in frame_set.matched}
    found = [by_name.get(ref.name) if (ref := ground_truth.find(name)) else None for name in names]
    missing = [name for name, each in zip(names, found, strict=True) if each is None]
    if missing:
        raise BddsegError(
            f"{pluralize(len(missing), 'frame')} of the table cannot be drawn (such as "
            f"{missing[0]}): the frame or one of its masks is missing.",
            "Give the frames and masks that were scored for the table.",
        )
    return [each for each in found if each is not None]


def _draw(
    path: Path, ground_truth_ref: LabelMapRef, prediction_ref: LabelMapRef, *, task: Task
) -> tuple[bytes, str]:
    image = read_image(path)
    height, width = image.shape[:2]
    pair = read_pair((ground_truth_ref, prediction_ref), task, (height, width))
    ground_truth, prediction = pair.ground_truth, pair.prediction
    note = describe_resizing(ground_truth_ref, ground_truth, image)
    # The score comes from the masks as they are; only the drawing has the size of the frame.
    lines = _describe_score(pair.confusion, task)
    outcome = classify_pixels(
        resize_labels(ground_truth, image), resize_labels(prediction, image), task
    )
    image = overlay_outcome(image, outcome)
    draw_text_box(image, lines)
    draw_text_box(image, [(color, LEGEND[kind]) for kind, color in COLORS.items()], bottom=True)
    return encode_jpeg(image), note


def _describe_score(counts: Counts, task: Task) -> list[Line]:
    score = compute_standard_score(counts, task)
    mean = score["mean"]["iou"]
    ious = [(name, score["classes"][name]["iou"]) for name in task.foreground]
    lines = [f"IoU {name} {iou:.1f}" for name, iou in ious if not np.isnan(iou)]
    first = f"{name_mean('mIoU', task)} " + ("-" if np.isnan(mean) else f"{mean:.1f}")
    return [(None, line) for line in (first, *lines)]

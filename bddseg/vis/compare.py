"""Truth against result, on the frame: what was hit, missed, invented and confused."""

from functools import partial
from pathlib import Path

import numpy as np

from bddseg.data.frames import encode_jpeg, read_frame
from bddseg.data.masks import Labels, read_mask
from bddseg.errors import BddsegError
from bddseg.metrics.confusion import count_pixels
from bddseg.metrics.scores import compute_plain_score
from bddseg.progress import Track, track_silently
from bddseg.tasks import UNKNOWN_ID, Color, Task
from bddseg.vis.captions import Line, write_box
from bddseg.vis.overlay import ColoredLabels, describe_scaling, fit_labels, overlay_colored
from bddseg.vis.pairs import pair_frames
from bddseg.vis.pictures import Outcome, Picture, draw_pictures

_NOTHING, HIT, MISSED, INVENTED, CONFUSED = range(5)
# Colours that people of all kinds of colour vision tell apart: Okabe and Ito, "Color Universal
# Design", 2008.
_COLORS: dict[int, Color] = {
    HIT: (0, 114, 178),
    MISSED: (213, 94, 0),
    INVENTED: (240, 228, 66),
    CONFUSED: (204, 121, 167),
}
_MEANINGS = {
    HIT: "hit",
    MISSED: "missed: in truth only",
    INVENTED: "invented: in the result only",
    CONFUSED: "confused: another class",
}
# What is right is there to be seen through; what is wrong is there to be seen.
_ALPHA_RIGHT, _ALPHA_WRONG = 0.35, 0.75


def compare_frames(
    frames: str,
    truth: Path,
    result: Path,
    out: Path,
    task: Task,
    *,
    names: list[str] | None = None,
    limit: int | None = None,
    resume: bool = False,
    workers: int = 1,
    track: Track = track_silently,
) -> Outcome:
    """Write a picture for each frame that shows where its result differs from the truth.

    Args:
        frames: an image, a folder, a glob or a list, as for inference.
        truth: a folder of masks; see `pair_frames`.
        result: a folder of masks.
        out: a folder.
        task: what the masks are of.
        names: only frames of these names; pictures are numbered in this order.
        limit: only so many frames, the first ones.
        resume: keep pictures that are no older than what they are made of.
        workers: number of threads.
        track: shows progress.

    Raises:
        BddsegError: no frames, no masks, or none that pair.
    """
    pairs = pair_frames(frames, [truth, result], out)
    complete = [(frame.name, frame, files) for frame, files in pairs.complete]
    if names is not None:
        by_stem = {frame.path.stem: (frame, files) for _, frame, files in complete}
        lost = [name for name in names if name not in by_stem]
        if lost:
            raise BddsegError(
                f"{len(lost)} frames of the table are not in {frames} with both masks, such as "
                f"{lost[0]}.",
                "Give the frames and masks that the table was made of.",
            )
        digits = len(str(len(names)))
        complete = [
            (f"{place:0{digits}}-{name}", *by_stem[name])
            for place, name in enumerate(names, start=1)
        ]
    pictures = [
        Picture(
            target=out / f"{name}.jpg",
            sources=(frame.path, *files),
            draw=partial(_draw, frame.path, *files, task=task),
        )
        for name, frame, files in complete[:limit]
    ]
    return draw_pictures(
        pictures,
        "Comparing",
        unpaired=() if names is not None else pairs.unpaired,
        resume=resume,
        workers=workers,
        track=track,
    )


def compare_labels(truth: Labels, result: Labels, task: Task) -> Labels:
    """Return what became of each pixel, (H, W), uint8: `HIT` and so on; 0 where there is nothing.

    Pixels whose truth is unknown say nothing. Where the task has no background, a result without a
    class has missed.

    Args:
        truth: class ids, (H, W), uint8.
        result: class ids, (H, W), uint8.
        task: what they are of.
    """
    classes = len(task.scored_classes)
    wanted, given = truth < classes, result < classes
    outcome = np.full(truth.shape, _NOTHING, np.uint8)
    outcome[wanted & ~given] = MISSED
    outcome[given & ~wanted] = INVENTED
    both = wanted & given
    outcome[both] = np.where(truth[both] == result[both], HIT, CONFUSED)
    outcome[truth == UNKNOWN_ID] = _NOTHING
    return outcome


def _draw(
    frame_path: Path, truth_path: Path, result_path: Path, *, task: Task
) -> tuple[bytes, str]:
    frame = read_frame(frame_path)
    truth, result = read_mask(truth_path), read_mask(result_path)
    remark = describe_scaling(truth_path, truth, frame) or describe_scaling(
        result_path, result, frame
    )
    if truth.shape != result.shape:
        raise BddsegError(
            f"{result_path} and its truth {truth_path} have different sizes.",
            "Make results again from the full frames.",
        )
    # Scores come from the masks as they are; only the drawing is at the frame's size.
    lines = _describe_score(truth, result, task)
    truth, result = fit_labels(truth, frame), fit_labels(result, frame)
    outcome = compare_labels(truth, result, task)
    right, wrong = np.zeros((2, 256, 3), np.uint8)
    for kind, color in _COLORS.items():
        (right if kind == HIT else wrong)[kind] = color
    picture = overlay_colored(frame, ColoredLabels(outcome, right), _ALPHA_RIGHT)
    picture = overlay_colored(picture, ColoredLabels(outcome, wrong), _ALPHA_WRONG)
    write_box(picture, lines)
    write_box(picture, [(color, _MEANINGS[kind]) for kind, color in _COLORS.items()], bottom=True)
    return encode_jpeg(picture), remark


def _describe_score(truth: Labels, result: Labels, task: Task) -> list[Line]:
    score = compute_plain_score(count_pixels(truth, result, len(task.classes) + 1), task)
    present = [(name, score.classes[name].iou) for name in task.scored_classes]
    lines = [f"{name} {iou:.1f}" for name, iou in present if not np.isnan(iou)]
    return [(None, f"IoU, mean {score.mean_iou:.1f}"), *((None, line) for line in lines)]

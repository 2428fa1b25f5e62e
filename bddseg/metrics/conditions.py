"""Scores by condition: weather, scene, time of day, or whatever attributes frames have."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import ImageScore
from bddseg.metrics.scores import compute_plain_score, compute_score
from bddseg.tasks import Task

# What frames without the attribute count as.
UNDEFINED = "undefined"

Attributes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionScore:
    """What the frames of one condition came to, in percent.

    Attributes:
        attribute: such as "weather".
        value: such as "rainy".
        frames: how many there are.
        official_miou: the official mean IoU.
        miou: the mean IoU in which the background counts.
    """

    attribute: str
    value: str
    frames: int
    official_miou: float
    miou: float


def read_attributes(path: Path) -> Attributes:
    """Return the attributes of each frame, by the stem of its name, from Scalabel JSON.

    Raises:
        BddsegError: the file cannot be read, or is not of that format.
    """
    try:
        content = json.loads(path.read_bytes())
        frames = content["frames"] if isinstance(content, dict) else content
        return {
            PurePosixPath(frame["name"]).stem: {
                key: str(value) for key, value in (frame.get("attributes") or {}).items()
            }
            for frame in frames
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BddsegError(
            f"{path} cannot be read as labels of frames: {type(error).__name__}: {error}.",
            "Give the dataset's label file: a list of frames with name and attributes.",
        ) from error


def score_conditions(
    images: Sequence[ImageScore], attributes: Attributes, names: Sequence[str], task: Task
) -> list[ConditionScore]:
    """Return the score of each value of each attribute, from summed counts, the worst first.

    Raises:
        BddsegError: no frame has one of the attributes.
    """
    scores: list[ConditionScore] = []
    for name in names:
        groups: dict[str, list[ImageScore]] = defaultdict(list)
        for image in images:
            groups[attributes.get(image.name, {}).get(name, UNDEFINED)].append(image)
        if set(groups) == {UNDEFINED}:
            known = sorted({key for values in attributes.values() for key in values})
            raise BddsegError(
                f"No frame has the attribute '{name}'.",
                f"The file has: {', '.join(known) or 'no attributes'}; are its frames these?",
            )
        found = [_score_group(name, value, group, task) for value, group in groups.items()]
        scores += sorted(found, key=lambda score: score.miou)
    return scores


def _score_group(
    attribute: str, value: str, images: Sequence[ImageScore], task: Task
) -> ConditionScore:
    counts = sum((image.counts for image in images[1:]), start=images[0].counts)
    return ConditionScore(
        attribute=attribute,
        value=value,
        frames=len(images),
        official_miou=compute_score(counts, task).mean_iou,
        miou=compute_plain_score(counts, task).mean_iou,
    )

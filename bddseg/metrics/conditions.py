"""Scores by condition: weather, scene, time of day, or other attributes of frames."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bddseg.data.sources.files import IMAGE_SUFFIXES
from bddseg.errors import BddsegError
from bddseg.metrics.collection import MetricCollection
from bddseg.metrics.evaluation import Evaluation, FrameResult
from bddseg.metrics.standard import get_rank_key, order_worst_first

# The condition of frames without the attribute.
UNDEFINED = "undefined"

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionResult:
    """The scores of the frames of one condition.

    Attributes:
        attribute: Attribute, such as "weather".
        value: Its value, such as "rainy".
        num_frames: Number of frames.
        headlines: Headlines of all metrics, by key, in percent.
    """

    attribute: str
    value: str
    num_frames: int
    headlines: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        condition = {"attribute": self.attribute, "value": self.value, "frames": self.num_frames}
        return condition | self.headlines


def read_attributes(path: Path) -> dict[str, Attributes]:
    """Return the attributes of each frame, by its name without the suffix, from Scalabel JSON.

    Raises:
        BddsegError: the file cannot be read, or is not in that format.
    """
    try:
        content = json.loads(path.read_bytes())
        frames = content["frames"] if isinstance(content, dict) else content
        return {
            _strip_suffix(frame["name"]): {
                key: str(value) for key, value in (frame.get("attributes") or {}).items()
            }
            for frame in frames
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BddsegError(
            f"{path} cannot be read as labels of frames: {type(error).__name__}: {error}.",
            "Use the dataset's label file: a list of frames with name and attributes.",
        ) from error


def score_conditions(
    evaluation: Evaluation, attributes: Mapping[str, Attributes], names: Sequence[str]
) -> list[ConditionResult]:
    """Return the scores for each value of some attributes, from summed counts, the worst first.

    Args:
        evaluation: Evaluation.
        attributes: Attributes of each frame, by its name. A frame that is not there by its path is
            looked up by its file name.
        names: Names of the attributes.

    Raises:
        BddsegError: no frame has one of the attributes.
    """
    by_file_name = {PurePosixPath(name).name: values for name, values in attributes.items()}
    results: list[ConditionResult] = []
    for attribute in names:
        groups: dict[str, list[FrameResult]] = defaultdict(list)
        for frame in evaluation.frames:
            values = attributes.get(frame.name) or by_file_name.get(PurePosixPath(frame.name).name)
            groups[(values or {}).get(attribute, UNDEFINED)].append(frame)
        if set(groups) == {UNDEFINED}:
            known = sorted({key for values in attributes.values() for key in values})
            raise BddsegError(
                f"No frame has the attribute '{attribute}'.",
                f"The file has: {', '.join(known) or 'no attributes'}. Check that it describes "
                "these frames.",
            )
        scored = [_score_group(attribute, value, frames) for value, frames in groups.items()]
        rank_key = get_rank_key(evaluation.task)
        results += sorted(scored, key=lambda each: order_worst_first(each.headlines[rank_key]))
    return results


def _score_group(attribute: str, value: str, frames: Sequence[FrameResult]) -> ConditionResult:
    first = frames[0].metrics
    total = MetricCollection(first.task, first.metrics)
    for frame in frames:
        total.merge(frame.metrics)
    return ConditionResult(
        attribute=attribute,
        value=value,
        num_frames=len(frames),
        headlines=total.compute_headlines(),
    )


def _strip_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path)

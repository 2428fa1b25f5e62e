"""Scores by condition: weather, scene, time of day, or other attributes of frames."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bddseg.data.sources.files import is_image
from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import Evaluation, FrameResult, order_worst_first

# The condition of frames without the attribute.
UNDEFINED = "undefined"

Attributes = Mapping[str, str]


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
) -> list[dict[str, Any]]:
    """Return the scores for each value of some attributes, from summed counts, the worst first.

    Each is plain data: "attribute", such as "weather", "value", such as "rainy", "frames", the
    number of frames, and the headlines of all metrics in percent, by key.

    Args:
        evaluation: Evaluation.
        attributes: Attributes of each frame, by its name. A frame that is not there by its path is
            looked up by its file name.
        names: Names of the attributes.

    Raises:
        BddsegError: no frame has one of the attributes.
    """
    by_file_name = {PurePosixPath(name).name: values for name, values in attributes.items()}
    results: list[dict[str, Any]] = []
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
        scored = [
            {"attribute": attribute, "value": value, "frames": len(frames)}
            | Evaluation(task=evaluation.task, frames=tuple(frames)).headlines
            for value, frames in groups.items()
        ]
        results += sorted(scored, key=lambda row: order_worst_first(row[evaluation.rank_key]))
    return results


def _strip_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if is_image(name) else name

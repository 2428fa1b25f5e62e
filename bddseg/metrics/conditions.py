"""Scores by condition: weather, scene, time of day, or other attributes of frames."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bddseg.data.sources.files import is_image
from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import Evaluation, order_worst_first

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


def match_attributes(
    attributes: Mapping[str, Attributes], frames: Sequence[str]
) -> list[Attributes]:
    """Return the attributes of each frame; an empty mapping where there are none.

    Args:
        attributes: Attributes of each frame, by its name. A frame that is not there by its path is
            looked up by its file name.
        frames: Names of the frames.
    """
    by_file_name = {PurePosixPath(name).name: values for name, values in attributes.items()}
    return [
        attributes.get(name) or by_file_name.get(PurePosixPath(name).name) or {} for name in frames
    ]


def group_frames(
    frames: Sequence[str], attributes: Mapping[str, Attributes], names: Sequence[str]
) -> dict[str, dict[str, list[int]]]:
    """Return for each attribute its values, and for each value the indices of the frames.

    Args:
        frames: Names of the frames. Those without the attribute are `UNDEFINED`.
        attributes: Attributes of each frame, by its name; see `match_attributes`.
        names: Names of the attributes.

    Raises:
        BddsegError: no frame has one of the attributes.
    """
    matched = match_attributes(attributes, frames)
    grouped: dict[str, dict[str, list[int]]] = {}
    for attribute in names:
        groups = grouped[attribute] = defaultdict(list)
        for index, values in enumerate(matched):
            groups[values.get(attribute, UNDEFINED)].append(index)
        if set(groups) == {UNDEFINED}:
            known = sorted({key for values in attributes.values() for key in values})
            raise BddsegError(
                f"No frame has the attribute '{attribute}'.",
                f"The file has: {', '.join(known) or 'no attributes'}. Check that it describes "
                "these frames.",
            )
    return grouped


def score_conditions(
    evaluation: Evaluation, attributes: Mapping[str, Attributes], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the scores for each value of some attributes, from summed counts, the worst first.

    Each is plain data: "attribute", such as "weather", "value", such as "rainy", "frames", the
    number of frames, and the headlines of all metrics in percent, by key.

    Args:
        evaluation: Evaluation.
        attributes: Attributes of each frame, by its name; see `match_attributes`.
        names: Names of the attributes.

    Raises:
        BddsegError: no frame has one of the attributes.
    """
    results: list[dict[str, Any]] = []
    frame_names = [frame.name for frame in evaluation.frames]
    for attribute, groups in group_frames(frame_names, attributes, names).items():
        scored = [
            {"attribute": attribute, "value": value, "frames": len(indices)}
            | _select(evaluation, indices).headlines
            for value, indices in groups.items()
        ]
        results += sorted(scored, key=lambda row: order_worst_first(row[evaluation.rank_key]))
    return results


def _select(evaluation: Evaluation, indices: Sequence[int]) -> Evaluation:
    frames = tuple(evaluation.frames[index] for index in indices)
    return Evaluation(task=evaluation.task, frames=frames)


def _strip_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if is_image(name) else name

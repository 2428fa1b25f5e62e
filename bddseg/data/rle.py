"""Run-length encoded masks in Scalabel's format. Needs pycocotools, the extra `rle`.

A frame is `{"name", "labels": [{"id", "category", "rle": {"counts", "size"}}]}`, one label for each
class in it, as the BDD100K zoo's scripts write them; counts are COCO's compressed ones.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bddseg.data.masks import Labels
from bddseg.errors import BddsegError
from bddseg.tasks import UNKNOWN_ID, Task


def encode_frame(name: str, labels: Labels, task: Task) -> dict[str, Any]:
    """Return a frame of Scalabel's format; its labels have no ids yet.

    Args:
        name: of the frame's file.
        labels: class ids, (H, W), uint8.
        task: whose class names the labels get.

    Raises:
        BddsegError: pycocotools is missing.
    """
    rle = _import_rle()
    encoded = []
    for number in np.unique(labels):
        mask = np.asfortranarray(labels == number, dtype=np.uint8)
        run = rle.encode(mask)
        counts = {"counts": run["counts"].decode("ascii"), "size": list(run["size"])}
        encoded.append({"category": task.classes[number], "rle": counts})
    return {"name": name, "labels": encoded}


def _import_rle() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise BddsegError(
            "Run-length encoding needs pycocotools, which is not installed.",
            "pip install 'bddseg[rle]'",
        ) from error
    return mask


def decode_frames(path: Path, task: Task) -> Iterator[tuple[str, Labels]]:
    """Yield name and labels (H, W), uint8, of each frame in a JSON file of Scalabel's format.

    Pixels that no label covers are background, or unknown where the task has none; of labels that
    overlap, the later one counts.

    Raises:
        BddsegError: pycocotools is missing, or the file or a label in it is wrong.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BddsegError(f"{path} cannot be read as JSON: {error}.", "Check the file.") from error
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list):
        raise BddsegError(f"{path} holds no list of frames.", "Give a file of Scalabel's format.")
    for frame in frames:
        try:
            yield str(frame["name"]), _decode_labels(frame.get("labels") or [], task)
        except (KeyError, TypeError, ValueError) as error:
            name = frame.get("name", "without a name") if isinstance(frame, dict) else frame
            raise BddsegError(
                f"{path}, frame {name}: {type(error).__name__}: {error}.",
                "Each label needs a category of the task, and rle with counts and size.",
            ) from error


def _decode_labels(encoded: Sequence[Mapping[str, Any]], task: Task) -> Labels:
    rle = _import_rle()
    sizes = {tuple(label["rle"]["size"]) for label in encoded}
    if len(sizes) != 1:
        raise ValueError(f"its labels have {len(sizes)} sizes, and one was expected")
    empty = UNKNOWN_ID if task.background is None else len(task.classes) - 1
    labels = np.full(sizes.pop(), empty, np.uint8)
    for label in encoded:
        number = task.classes.index(label["category"])
        labels[rle.decode(dict(label["rle"])) > 0] = number
    return labels

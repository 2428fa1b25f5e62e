"""Small regions of a label map: noise that masks are often better without."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.errors import BddsegError
from bddseg.specs import Postprocessing
from bddseg.tasks.task import Task
from bddseg.types import LabelMap


def postprocess(labels: LabelMap, spec: Postprocessing, task: Task) -> LabelMap:
    """Return a label map, (H, W), without its small regions; the given one is not changed.

    Regions of a class with fewer than `spec.min_region` pixels (8-connected) become background.
    Then regions of background with fewer than `spec.min_hole` pixels (4-connected) get the class
    that is most frequent around them.

    Raises:
        BddsegError: the task has no background.
    """
    if not spec.is_active:
        return labels
    if task.background is None:
        raise BddsegError(
            f"Masks of the task {task.name} have no background, so regions cannot become part of "
            "it.",
            "Leave --min-region and --min-hole out.",
        )
    result = labels.copy()
    background = task.classes.index(task.background)
    if spec.min_region:
        for class_id in range(background):
            is_class = labels == class_id
            for area, region in _find_small(is_class, spec.min_region, connectivity=8):
                result[area][region] = background
    if spec.min_hole:
        is_background = result == background
        for area, region in _find_small(is_background, spec.min_hole, connectivity=4):
            grown = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            around = result[area][grown & ~region]
            result[area][region] = np.bincount(around, minlength=background + 1).argmax()
    return result


def _find_small(
    is_member: npt.NDArray[np.bool_], limit: int, *, connectivity: int
) -> Iterator[tuple[tuple[slice, slice], npt.NDArray[np.bool_]]]:
    """Yield each region of fewer than `limit` pixels: an area of the map, and its pixels there.

    The area has a border of one pixel around the region, where the map has one.
    """
    mask = is_member.astype(np.uint8)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    for number in 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] < limit):
        left, top, width, height = stats[number, :4]
        area: Any = (
            slice(max(top - 1, 0), top + height + 1),
            slice(max(left - 1, 0), left + width + 1),
        )
        yield area, numbers[area] == number

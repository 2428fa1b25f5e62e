"""Regions of a label map that masks are better without: small ones, or all but one."""

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
    """Return a label map, (H, W), without regions that a spec excludes; the given one stays as is.

    Regions of a class with fewer than `spec.min_region` pixels (8-connected) become background.
    Then regions of background with fewer than `spec.min_hole` pixels (4-connected) get the class
    that is most frequent around them. Then, with `spec.ego_region_only`, all classes become
    background outside of the ego region: of the regions of all classes together (8-connected), the
    one with the most pixels in the middle third of the frame's lower half. Where no region has
    pixels there, all becomes background: a vehicle must not follow a region that it is not in.

    Raises:
        BddsegError: the task has no background.
    """
    if not spec.is_active:
        return labels
    if task.background is None:
        raise BddsegError(
            f"Masks of the task {task.name} have no background, so regions cannot become part of "
            "it.",
            "Leave --min-region, --min-hole and --ego-region-only out.",
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
    if spec.ego_region_only:
        is_drivable = result < background
        result[is_drivable & ~_find_ego_region(is_drivable)] = background
    return result


def _find_ego_region(is_drivable: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which pixels are of the ego region; see `postprocess`.

    At the very bottom there can be the hood, with single pixels that the network calls drivable:
    so the region that reaches lowest is not always the right one, and a larger area decides.
    """
    _, numbers = cv2.connectedComponents(is_drivable.astype(np.uint8), connectivity=8)
    height, width = numbers.shape
    near = numbers[height // 2 :, width // 3 : width - width // 3]
    counts = np.bincount(near[near > 0])
    if not counts.size:
        return np.zeros_like(is_drivable)
    is_ego: npt.NDArray[np.bool_] = numbers == counts.argmax()
    return is_ego


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

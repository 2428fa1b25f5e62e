"""Boundary IoU: how well the edges of classes agree (Cheng et al., 2021, arXiv 2103.16562).

Plain IoU hardly sees the edges of large areas. Here only pixels count that lie within a distance d
of their class's contour, inside it: |G_d and P_d| / |G_d or P_d|, with d of 2 % of the diagonal.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.data.masks import Labels
from bddseg.tasks import UNKNOWN_ID

# [class, (pixels in both bands, pixels in either)], int64.
BoundaryCounts = npt.NDArray[np.int64]

_DISTANCE = 0.02


def count_boundary(truth: Labels, result: Labels, classes: int) -> BoundaryCounts:
    """Return the counts (classes, 2) of a pair of label maps of one size.

    Pixels that are unknown in the truth are left out of both bands.
    """
    distance = max(1, round(_DISTANCE * math.hypot(*truth.shape)))
    known = truth != UNKNOWN_ID
    counts = np.zeros((classes, 2), np.int64)
    for number in range(classes):
        bands = [_band(labels == number, distance) & known for labels in (truth, result)]
        counts[number] = (
            np.count_nonzero(bands[0] & bands[1]),
            np.count_nonzero(bands[0] | bands[1]),
        )
    return counts


def compute_boundary_iou(counts: BoundaryCounts) -> list[float]:
    """Return the boundary IoU of each class, in percent; NaN where it has no pixels."""
    return [float(100 * both / either) if either else math.nan for both, either in counts]


def _band(mask: npt.NDArray[np.bool_], distance: int) -> npt.NDArray[np.bool_]:
    """Return the pixels of a mask within `distance` of its contour; the frame's edge is one too."""
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    inner = cv2.erode(mask.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    band: npt.NDArray[np.bool_] = mask & (inner == 0)
    return band

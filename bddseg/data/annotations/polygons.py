"""Outlines of regions as polygons."""

from collections import defaultdict
from itertools import compress

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.types import BinaryMask

# Corners (x, y) of a closed polygon, (N, 2): (0, 0) is the upper left corner of the upper left
# pixel, (W, H) the lower right corner of the lower right one.
Polygon = npt.NDArray[np.int32]

# Corners of an outline that may be connected to a hole.
_MAX_CANDIDATES = 1000


def trace_polygons(mask: BinaryMask, tolerance: float = 0.0) -> list[Polygon]:
    """Return a polygon for each region of a mask, (H, W), bool; regions are 8-connected.

    Polygons run along the edges of pixels, so that those of tolerance 0 cover exactly the pixels of
    the mask: those whose center is in a polygon. An edge that is passed in both directions connects
    the outline of a hole to the one around it: formats of annotation tools have no other holes, and
    filling by the even-odd rule or by the nonzero rule gives the same.

    Args:
        mask: What to outline.
        tolerance: Pixels that a corner which is left out may be from the polygon, 0 or more
            (Douglas-Peucker). A region or hole of which no triangle would remain stays exact.
    """
    # The border of a region consists of centers of pixels. Of a mask of twice the size, each is in
    # a quarter of a pixel, and next to one corner of that pixel: a corner of the outline.
    height, width = mask.shape
    fine = cv2.resize(
        mask.view(np.uint8), (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    contours, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return []
    parents = hierarchy.reshape(-1, 4)[:, 3]
    corners = [((each.reshape(-1, 2) + 1) // 2).astype(np.int32) for each in contours]
    outlines = [_simplify(each, tolerance) for each in corners]
    holes = defaultdict(list)
    for parent, outline in zip(parents, outlines, strict=True):
        holes[int(parent)].append(outline)
    outer = compress(enumerate(outlines), parents < 0)
    return [_connect(outline, holes[index]) for index, outline in outer]


def _simplify(outline: Polygon, tolerance: float) -> Polygon:
    # Around a concave corner, two neighbors are next to the same one.
    outline = outline[(outline != np.roll(outline, 1, axis=0)).any(axis=1)]
    if not tolerance:
        return outline
    simple = cv2.approxPolyDP(outline, tolerance, True).reshape(-1, 2).astype(np.int32)
    return simple if len(simple) > 2 else outline


def _connect(outline: Polygon, holes: list[Polygon]) -> Polygon:
    """Return one closed polygon of an outline and of the holes in it."""
    # Any corner would do; looking at all of them takes minutes where a mask is noise.
    step = 1 + len(outline) // _MAX_CANDIDATES
    candidates = outline[::step]
    near = [step * int(np.square(candidates - hole[0]).sum(axis=1).argmin()) for hole in holes]
    parts, start = [], 0
    for end, index in sorted(zip(near, range(len(holes)), strict=True)):
        parts += [outline[start : end + 1], holes[index], holes[index][:1]]
        start = end
    return np.concatenate([*parts, outline[start:]])

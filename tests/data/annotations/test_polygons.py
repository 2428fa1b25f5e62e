"""Polygons cover their mask, as an independent rasterizer says: that of pycocotools."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from label_files import draw_scene

from bddseg.data.annotations.polygons import Polygon, trace_polygons
from bddseg.types import BinaryMask, SizeHW

coco_mask = pytest.importorskip("pycocotools.mask", reason="needs the bdd100k extra")


def rasterize(polygons: list[Polygon], size_hw: SizeHW) -> BinaryMask:
    flat = [polygon.ravel().astype(float).tolist() for polygon in polygons]
    decoded: npt.NDArray[np.uint8] = coco_mask.decode(
        coco_mask.merge(coco_mask.frPyObjects(flat, *size_hw))
    )
    return decoded.astype(bool)


def get_signed_area(polygon: Polygon) -> float:
    x, y = polygon.T.astype(np.int64)
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def draw_ring() -> BinaryMask:
    """Return a mask with a hole that has an island with a hole."""
    mask = np.zeros((60, 80), np.uint8)
    for radius, value in ((28, 1), (20, 0), (12, 1), (5, 0)):
        cv2.circle(mask, (40, 30), radius, value, -1)
    return mask.astype(bool)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 1.0])
def test_polygons_of_tolerance_0_are_exact(share: float) -> None:
    rng = np.random.default_rng(int(10 * share))
    for _ in range(40):
        mask = rng.random(rng.integers(1, 40, 2)) < share
        polygons = trace_polygons(mask)
        if mask.any():
            assert np.array_equal(rasterize(polygons, mask.shape), mask)
            # Outlines of holes run the other way round, so the nonzero rule fills the same pixels.
            assert abs(sum(map(get_signed_area, polygons))) == mask.sum()


def test_each_region_is_one_polygon_with_its_holes() -> None:
    mask = draw_ring()
    assert len(trace_polygons(mask)) == 2
    assert np.array_equal(rasterize(trace_polygons(mask), (60, 80)), mask)
    assert trace_polygons(np.zeros((5, 7), bool)) == []


def test_a_rectangle_has_its_four_corners_on_the_edges_of_pixels() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:10, 7:21] = True
    (polygon,) = trace_polygons(mask)
    assert sorted(map(tuple, polygon.tolist())) == [(7, 5), (7, 10), (21, 5), (21, 10)]


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 3.0])
def test_the_tolerance_bounds_the_difference(tolerance: float) -> None:
    scene = draw_scene(1) == 0
    for mask in (draw_ring(), scene):
        exact, simple = trace_polygons(mask), trace_polygons(mask, tolerance)
        length = sum(
            np.linalg.norm(np.diff(polygon, axis=0, append=polygon[:1]), axis=1).sum()
            for polygon in exact
        )
        difference = (rasterize(simple, (mask.shape[0], mask.shape[1])) != mask).sum()
        assert difference <= tolerance * length
    assert difference < 0.01 * scene.sum()


def test_a_tolerance_of_1_5_removes_the_steps_of_pixels() -> None:
    lane = draw_scene(1) == 0
    (exact,), (simple,) = trace_polygons(lane), trace_polygons(lane, 1.5)
    assert len(simple) < 20 < 500 < len(exact)


def test_small_regions_remain_whatever_the_tolerance_is() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3, 4], mask[10:12, 20:23] = True, True
    assert np.array_equal(rasterize(trace_polygons(mask, 50.0), (20, 30)), mask)

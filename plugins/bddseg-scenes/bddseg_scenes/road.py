"""The road in world coordinates, and its projection into an image of any size.

World axes are x to the right, y up and z forward, in meters; the camera is at x = z = 0. A point
relative to the road has an offset `s` (meters right of the center of the ego lane) and a distance
`z` (meters ahead of the camera).
"""

from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Color = tuple[float, float, float]  # RGB, 0 to 255
FloatOrArray = TypeVar("FloatOrArray", float, Floats)

NEAR = 1.2  # meters; closer ground is below the image for all cameras that are sampled
FAR = 150.0  # meters; the ground ends here
BEND_END = 110.0  # meters; the road is straight beyond, so that it never turns back
STEPS = 400  # number of distances at which the ground profile is sampled


class Surface(IntEnum):
    """What a pixel shows; the first three values are the class ids of the ground truth."""

    DIRECT = 0
    ALTERNATIVE = 1
    OBJECT = 2
    BLOCKED = 3
    ONCOMING = 4
    SHOULDER = 5
    MEDIAN = 6
    CURB = 7
    SIDEWALK = 8
    VERGE = 9


DRIVABLE = (Surface.DIRECT, Surface.ALTERNATIVE)
PAVED = (
    *DRIVABLE,
    Surface.BLOCKED,
    Surface.ONCOMING,
    Surface.SHOULDER,
)


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera that looks along the road; pitch is modeled as a shift of the horizon."""

    height: float  # meters above the road
    focal: float  # focal length / image width
    horizon: float  # row of the horizon / image height


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip of ground along the road, such as a lane or a verge."""

    kind: Surface
    left: float  # meters
    right: float  # meters
    end: float = FAR  # meters ahead; a drivable lane is blocked beyond

    @property
    def center(self) -> float:
        """Offset s of the center line, in meters."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True)
class Road:
    """Alignment, profile and cross-section of the road."""

    offset: float  # meters from the center of the ego lane to the camera, to the right
    heading: float  # slope dx/dz at the camera
    curvature: float  # 1/meter at the camera
    clothoid: float  # 1/meter^2, change of curvature
    crest: float  # 1/meter, vertical curvature at the camera
    crest_change: float  # 1/meter^2
    strips: tuple[Strip, ...]  # contiguous, from left to right

    def find_center(self, z: FloatOrArray) -> FloatOrArray:
        """Return the lateral position x (meters) of the center of the ego lane."""
        near = clip_to_bend(z)
        bend = near * (self.heading + near * (self.curvature / 2 + near * self.clothoid / 6))
        return bend - self.offset + self.find_slope(z) * (z - near)

    def find_slope(self, z: FloatOrArray) -> FloatOrArray:
        """Return the direction dx/dz of the road."""
        near = clip_to_bend(z)
        return self.heading + near * (self.curvature + near * self.clothoid / 2)

    def find_elevation(self, z: FloatOrArray) -> FloatOrArray:
        """Return the height y (meters) of the ground."""
        near = clip_to_bend(z)
        rise = near * near * (self.crest / 2 + near * self.crest_change / 6)
        grade = near * (self.crest + near * self.crest_change / 2)
        return rise + grade * (z - near)

    def find_x(self, s: FloatOrArray | float, z: FloatOrArray) -> FloatOrArray:
        """Return the lateral position x (meters) of a point at offset s."""
        slope = self.find_slope(z)
        stretch: FloatOrArray = (1 + slope * slope) ** 0.5
        return self.find_center(z) + stretch * s


def clip_to_bend(z: FloatOrArray) -> FloatOrArray:
    """Return the part of a distance over which the road bends."""
    if isinstance(z, np.ndarray):
        return np.minimum(z, BEND_END)
    return min(z, BEND_END)


class GroundPoint(NamedTuple):
    """A point on the ground, projected."""

    x: float  # meters
    column: float  # pixels
    row: float  # pixels
    scale: float  # pixels per meter


class View:
    """A road seen by a camera at one image size: projection and visibility of the ground.

    Attributes:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        focal: Focal length in pixels.
        horizon: Row of the horizon on flat ground.
        center: Column of the optical axis.
        top: First row that shows ground.
        z: Distance in meters of each ground row, from `top` down.
    """

    def __init__(self, camera: Camera, road: Road, size_hw: tuple[int, int]) -> None:
        self.camera = camera
        self.road = road
        self.height, self.width = size_hw
        self.focal = camera.focal * self.width
        self.horizon = camera.horizon * self.height - 0.5  # pixel centers are integers
        self.center = self.width / 2 - 0.5
        self._z = np.geomspace(NEAR, FAR, STEPS)
        rows = self.find_row(self._z)
        self._lowest = np.minimum.accumulate(rows)  # smallest row up to each distance
        self._visible = rows <= self._lowest
        occluding = np.clip(np.floor(self._lowest) + 1, 0, self.height).astype(int)
        self._occlusion_rows: list[int] = np.where(self._visible, self.height, occluding).tolist()
        self._distances = self._z.tolist()
        self.top = int(np.clip(np.ceil(self._lowest[-1]), 1, self.height - 1))
        # On flat ground 1/z is linear in the row, so that interpolating it is exact.
        self.z = 1 / np.interp(
            np.arange(self.top, self.height),
            rows[self._visible][::-1],
            1 / self._z[self._visible][::-1],
        )

    def find_row(self, z: Floats) -> Floats:
        """Return the row of the ground at distance z, visible or not."""
        return self.horizon + self.focal * (self.camera.height - self.road.find_elevation(z)) / z

    def find_occlusion_row(self, z: float) -> int:
        """Return the first row where nearer ground hides objects at z; the height if none does."""
        return self._occlusion_rows[min(bisect_left(self._distances, z), STEPS - 1)]

    def project_ground_point(self, s: float, z: float) -> GroundPoint:
        """Return the projection of the ground at s and z."""
        x, scale = self.road.find_x(s, z), self.focal / z
        drop = self.camera.height - self.road.find_elevation(z)
        return GroundPoint(x, self.center + x * scale, self.horizon + drop * scale, scale)

    def project_world(self, x: Floats, y: Floats | float, z: Floats) -> Floats:
        """Return pixels (column, row) of world points; y is 0 at the ground below the camera."""
        scale = self.focal / np.maximum(z, NEAR)
        pixels = np.empty((*z.shape, 2))
        pixels[..., 0] = self.center + x * scale
        pixels[..., 1] = self.horizon + (self.camera.height - y) * scale
        return pixels

    def project(self, s: Floats | float, z: Floats, up: Floats | float = 0.0) -> Floats:
        """Return pixels (column, row) of points at s and z, `up` meters above the ground."""
        z = np.maximum(z, NEAR)
        return self.project_world(self.road.find_x(s, z), self.road.find_elevation(z) + up, z)

    def find_columns(self, s: float) -> Floats:
        """Return the column of the line at offset s in each ground row."""
        return self.center + self.road.find_x(s, self.z) * self.focal / self.z

    def project_strip(self, left: float, right: float) -> Floats:
        """Return the outline (pixels) of the visible part of a strip along the whole road."""
        z = self._z[self._visible]
        return np.concatenate([self.project(left, z), self.project(right, z[::-1])])

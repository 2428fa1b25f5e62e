"""The road in world coordinates and its projection into an image of any size.

World axes: x to the right, y up, z forward, in metres, the camera standing at x = z = 0.
Along the road a point is given by its offset ``s`` (metres right of the middle of the ego lane)
and its distance ``z`` (metres ahead of the camera).
"""

from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Colour = tuple[float, float, float]  # RGB, 0 to 255
Metres = TypeVar("Metres", float, Floats)

NEAR = 1.2  # metres; closer ground lies below the image for every camera drawn
FAR = 150.0  # metres; here the ground ends at the backdrop
BEND_END = 110.0  # metres; beyond it the road runs on straight, so that no bend turns back
STEPS = 400  # distances at which the ground profile is sampled


class Surface(IntEnum):
    """What a pixel shows; the first three values are the class ids of the truth."""

    DIRECT = 0
    ALTERNATIVE = 1
    OBJECT = 2
    BLOCKED = 3
    ONCOMING = 4
    SHOULDER = 5
    MEDIAN = 6
    KERB = 7
    SIDEWALK = 8
    VERGE = 9


PAVED = (
    Surface.DIRECT,
    Surface.ALTERNATIVE,
    Surface.BLOCKED,
    Surface.ONCOMING,
    Surface.SHOULDER,
)


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera looking along the road; pitch is a shift of the horizon."""

    height: float  # metres above the road
    focal: float  # of the image width
    horizon: float  # of the image height, from the top


@dataclass(frozen=True, slots=True)
class Band:
    """A strip of ground along the road, such as a lane or a verge."""

    kind: Surface
    left: float  # metres
    right: float  # metres
    end: float = FAR  # metres ahead; a drivable lane is blocked from here on

    @property
    def middle(self) -> float:
        """Offset s (metres) of the middle."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True)
class Road:
    """Alignment, profile and cross-section of the road."""

    offset: float  # metres the camera stands right of the middle of its lane
    heading: float  # slope dx/dz at the camera
    curvature: float  # 1/metre at the camera
    clothoid: float  # 1/metre^2, change of curvature
    crest: float  # 1/metre, vertical curvature at the camera
    crest_change: float  # 1/metre^2
    bands: tuple[Band, ...]  # contiguous, from left to right

    def find_centre(self, z: Metres) -> Metres:
        """Lateral position x (metres) of the middle of the ego lane."""
        near = limit_bend(z)
        bend = near * (self.heading + near * (self.curvature / 2 + near * self.clothoid / 6))
        return bend - self.offset + self.find_slope(z) * (z - near)

    def find_slope(self, z: Metres) -> Metres:
        """Direction dx/dz of the road."""
        near = limit_bend(z)
        return self.heading + near * (self.curvature + near * self.clothoid / 2)

    def find_elevation(self, z: Metres) -> Metres:
        """Height y (metres) of the ground."""
        near = limit_bend(z)
        rise = near * near * (self.crest / 2 + near * self.crest_change / 6)
        grade = near * (self.crest + near * self.crest_change / 2)
        return rise + grade * (z - near)

    def place(self, s: Metres | float, z: Metres) -> Metres:
        """Lateral position x (metres) of a point s metres right of the ego lane's middle."""
        slope = self.find_slope(z)
        stretch: Metres = (1 + slope * slope) ** 0.5
        return self.find_centre(z) + stretch * s


def limit_bend(z: Metres) -> Metres:
    """The part of a distance over which the road bends."""
    if isinstance(z, np.ndarray):
        return np.minimum(z, BEND_END)
    return min(z, BEND_END)


class Spot(NamedTuple):
    """A point of the ground as the camera sees it."""

    x: float  # metres
    column: float  # pixels
    row: float
    scale: float  # pixels a metre


class View:
    """A road seen by a camera at one image size: projection and visibility of the ground."""

    def __init__(self, camera: Camera, road: Road, size_hw: tuple[int, int]) -> None:
        self.camera = camera
        self.road = road
        self.height, self.width = size_hw
        self.focal = camera.focal * self.width  # pixels
        self.horizon = camera.horizon * self.height - 0.5  # row; pixel centres are integers
        self.middle = self.width / 2 - 0.5  # column
        self._z = np.geomspace(NEAR, FAR, STEPS)
        rows = self.find_row(self._z)
        self._lowest = np.minimum.accumulate(rows)  # smallest row up to each distance
        self._visible = rows <= self._lowest
        hiding = np.clip(np.floor(self._lowest) + 1, 0, self.height).astype(int)
        self._covers: list[int] = np.where(self._visible, self.height, hiding).tolist()
        self._distances = self._z.tolist()
        self.top = int(np.clip(np.ceil(self._lowest[-1]), 1, self.height - 1))
        # 1/z is linear in the row on flat ground, hence exact between samples
        self.z = 1 / np.interp(
            np.arange(self.top, self.height),
            rows[self._visible][::-1],
            1 / self._z[self._visible][::-1],
        )  # metres, for each ground row from top down

    def find_row(self, z: Floats) -> Floats:
        """Image row of the ground at distance z, hidden or not."""
        return self.horizon + self.focal * (self.camera.height - self.road.find_elevation(z)) / z

    def find_cover(self, z: float) -> int:
        """First row that nearer ground hides at distance z (the height if none is hidden)."""
        return self._covers[min(bisect_left(self._distances, z), STEPS - 1)]

    def find_spot(self, s: float, z: float) -> Spot:
        """The point of the ground at s and z."""
        x, scale = self.road.place(s, z), self.focal / z
        drop = self.camera.height - self.road.find_elevation(z)
        return Spot(x, self.middle + x * scale, self.horizon + drop * scale, scale)

    def project_world(self, x: Floats, y: Floats | float, z: Floats) -> Floats:
        """Pixels (column, row) of world points, y measured from the camera's foot."""
        scale = self.focal / np.maximum(z, NEAR)
        pixels = np.empty((*z.shape, 2))
        pixels[..., 0] = self.middle + x * scale
        pixels[..., 1] = self.horizon + (self.camera.height - y) * scale
        return pixels

    def project(self, s: Floats | float, z: Floats, up: Floats | float = 0.0) -> Floats:
        """Pixels (column, row) of points beside the road, ``up`` metres over the ground."""
        z = np.maximum(z, NEAR)
        return self.project_world(self.road.place(s, z), self.road.find_elevation(z) + up, z)

    def find_columns(self, s: float) -> Floats:
        """For each ground row, the column of the line s metres right of the ego lane's middle."""
        return self.middle + self.road.place(s, self.z) * self.focal / self.z

    def find_strip(self, left: float, right: float) -> Floats:
        """Outline (pixels) of the visible part of a strip along the whole road."""
        z = self._z[self._visible]
        return np.concatenate([self.project(left, z), self.project(right, z[::-1])])

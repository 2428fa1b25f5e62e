"""The picture being painted: the frame, and what surface every pixel of it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.demo.road import Colour, Floats, Surface, View
from bddseg.demo.weather import Image, Light, Weather

SUBPIXEL_BITS = 4  # polygons are drawn at 1/16 of a pixel
SUBPIXELS = 1 << SUBPIXEL_BITS
FARTHEST_PIXEL = 1e5  # keeps points far outside the picture in range
Shapes = Sequence[Floats] | Floats  # polygons in pixels; an array has the shape (n, k, 2)


def fix_points(shapes: Shapes) -> list[npt.NDArray[np.int32]]:
    """Polygons in the fixed-point integers that OpenCV draws with sub-pixel accuracy."""
    if isinstance(shapes, np.ndarray):
        return list(round_pixels(shapes))
    return [round_pixels(shape) for shape in shapes if len(shape) > 2]


def round_pixels(points: Floats) -> npt.NDArray[np.int32]:
    """Round pixels to fixed-point integers."""
    limited = np.minimum(np.maximum(points, -FARTHEST_PIXEL), FARTHEST_PIXEL)
    return np.asarray(np.rint(limited * SUBPIXELS), np.int32, order="C")


@dataclass(frozen=True, slots=True)
class Brush:
    """Paints things at one place of the scene, in its light, above what hides it."""

    frame: Image
    surface: Image
    light: Light

    def fill(self, shapes: Shapes, colour: Colour, glow: bool = False) -> None:
        """Fill polygons, which must not overlap each other."""
        points = fix_points(shapes)
        if not points or not len(self.frame):
            return
        seen = self.light.fall_on(colour, glow)
        cv2.fillPoly(self.frame, points, seen, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.fillPoly(self.surface, points, Surface.OBJECT, cv2.LINE_8, SUBPIXEL_BITS)

    def fill_disc(
        self, centre: tuple[float, float], radius: float, colour: Colour, glow: bool = False
    ) -> None:
        """Fill a disc."""
        if not len(self.frame):
            return
        middle = (round(centre[0] * SUBPIXELS), round(centre[1] * SUBPIXELS))
        reach, seen = round(radius * SUBPIXELS), self.light.fall_on(colour, glow)
        cv2.circle(self.frame, middle, reach, seen, -1, cv2.LINE_AA, SUBPIXEL_BITS)
        mark = int(Surface.OBJECT)
        cv2.circle(self.surface, middle, reach, mark, -1, cv2.LINE_8, SUBPIXEL_BITS)

    def add_halo(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """Add the halo of a lamp (radius in pixels) to the frame; it hides nothing."""
        column, row = centre
        reach = int(2.2 * radius) + 1
        height, width = self.frame.shape[:2]
        left, right = max(int(column) - reach, 0), min(int(column) + reach + 1, width)
        top, bottom = max(int(row) - reach, 0), min(int(row) + reach + 1, height)
        if left >= right or top >= bottom:
            return
        across = np.exp(-(((np.arange(left, right) - column) / radius) ** 2))
        down = np.exp(-(((np.arange(top, bottom) - row) / radius) ** 2))
        light = (down[:, None] * across)[..., None] * np.array(colour)
        patch = self.frame[top:bottom, left:right]
        patch[:] = np.minimum(patch + light, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Canvas:
    """Frame and surface map, painted from far to near."""

    view: View
    weather: Weather
    frame: Image
    surface: Image

    def pick_brush(self, x: float, z: float) -> Brush:
        """Brush for a thing x metres right and z metres ahead of the camera."""
        cover = self.view.find_cover(z)
        light = self.weather.light_place(x, z)
        return Brush(self.frame[:cover], self.surface[:cover], light)

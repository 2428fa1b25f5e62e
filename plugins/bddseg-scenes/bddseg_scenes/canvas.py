"""The frame that is being painted, with the surface that each of its pixels shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.types import Image
from bddseg_scenes.road import Color, Floats, Surface, View
from bddseg_scenes.weather import Light, Weather

SUBPIXEL_BITS = 4  # polygons are drawn with a precision of 1/16 pixel
SUBPIXELS = 1 << SUBPIXEL_BITS
MAX_PIXEL = 1e5  # limit for points far outside the frame, so that they fit into 32 bits
Shapes = Sequence[Floats] | Floats  # polygons in pixels; an array is (n, k, 2)


def quantize_polygons(shapes: Shapes) -> list[npt.NDArray[np.int32]]:
    """Return polygons as the fixed-point integers that OpenCV draws with subpixel precision."""
    if isinstance(shapes, np.ndarray):
        return list(quantize_points(shapes))
    return [quantize_points(shape) for shape in shapes if len(shape) > 2]


def quantize_points(points: Floats) -> npt.NDArray[np.int32]:
    """Return pixel coordinates as fixed-point integers."""
    limited = np.minimum(np.maximum(points, -MAX_PIXEL), MAX_PIXEL)
    return np.asarray(np.rint(limited * SUBPIXELS), np.int32, order="C")


@dataclass(frozen=True, slots=True)
class Brush:
    """Paints an object at one position in the scene.

    Attributes:
        frame: Rows of the frame above the ground that hides the object, (h, W, 3), uint8.
        surface: The same rows of the surface map, (h, W), uint8.
        light: Light at that position.
    """

    frame: Image
    surface: Image
    light: Light

    def fill(self, shapes: Shapes, color: Color, glow: bool = False) -> None:
        """Fill polygons, which must not overlap."""
        points = quantize_polygons(shapes)
        if not points or not len(self.frame):
            return
        lit_color = self.light.apply(color, glow)
        cv2.fillPoly(self.frame, points, lit_color, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.fillPoly(self.surface, points, Surface.OBJECT, cv2.LINE_8, SUBPIXEL_BITS)

    def fill_disc(
        self, center: tuple[float, float], radius: float, color: Color, glow: bool = False
    ) -> None:
        """Fill a disc."""
        if not len(self.frame):
            return
        middle = (round(center[0] * SUBPIXELS), round(center[1] * SUBPIXELS))
        reach, lit_color = round(radius * SUBPIXELS), self.light.apply(color, glow)
        cv2.circle(self.frame, middle, reach, lit_color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.circle(self.surface, middle, reach, int(Surface.OBJECT), -1, cv2.LINE_8, SUBPIXEL_BITS)

    def add_halo(self, center: tuple[float, float], radius: float, color: Color) -> None:
        """Add the halo of a lamp (radius in pixels) to the frame; the surface stays as it is."""
        column, row = center
        reach = int(2.2 * radius) + 1
        height, width = self.frame.shape[:2]
        left, right = max(int(column) - reach, 0), min(int(column) + reach + 1, width)
        top, bottom = max(int(row) - reach, 0), min(int(row) + reach + 1, height)
        if left >= right or top >= bottom:
            return
        across = np.exp(-(((np.arange(left, right) - column) / radius) ** 2))
        down = np.exp(-(((np.arange(top, bottom) - row) / radius) ** 2))
        light = (down[:, None] * across)[..., None] * np.array(color)
        patch = self.frame[top:bottom, left:right]
        patch[:] = np.minimum(patch + light, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A frame and its surface map, painted from far to near.

    Attributes:
        view: The road as the camera sees it.
        weather: Light and weather.
        frame: RGB, (H, W, 3), uint8.
        surface: `Surface` of each pixel, (H, W), uint8.
    """

    view: View
    weather: Weather
    frame: Image
    surface: Image

    def get_brush(self, x: float, z: float) -> Brush:
        """Return the brush for an object x meters right and z meters ahead of the camera."""
        bottom = self.view.find_occlusion_row(z)
        light = self.weather.light_at(x, z)
        return Brush(self.frame[:bottom], self.surface[:bottom], light)

"""Objects beside the road (buildings, trees, poles, barriers, sign gantries) and the sky."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.types import Image
from bddseg_scenes.canvas import Brush, Canvas
from bddseg_scenes.road import Color, Floats, View
from bddseg_scenes.vehicles import scale_color, subdivide_quad
from bddseg_scenes.weather import Weather

STEEL: Color = (118, 122, 124)
LAMP: Color = (255, 226, 170)
SIGNALS: tuple[Color, ...] = ((235, 60, 40), (240, 190, 50), (70, 225, 130))  # from top to bottom
NEAREST = 2.5  # meters; nearer parts would fill the frame


@dataclass(frozen=True, slots=True)
class Building:
    """A box with windows beside the road."""

    s: float  # meters, offset of the wall that faces the road
    near: float  # meters ahead
    far: float  # meters ahead
    height: float  # meters
    width: float  # meters, across the road
    color: Color
    floors: int
    lit: Floats  # brightness of a grid of windows, 0 to 1

    @property
    def depth(self) -> float:
        """Distance in meters; objects are painted in descending order of it."""
        return self.far

    def draw(self, canvas: Canvas) -> None:
        """Paint the end wall and the wall along the road."""
        near, road = max(self.near, NEAREST), canvas.view.road
        brush = canvas.get_brush(road.find_x(self.s, near), near)
        outer = self.s + float(np.sign(self.s)) * self.width
        # Only the ends follow the road: on a curve too, the wall between them is straight.
        s = np.array([[self.s, outer, outer, self.s], [self.s] * 4])
        z = np.array([[near] * 4, [near, self.far, self.far, near]])
        up = np.array([-0.5, -0.5, self.height, self.height])
        end, along = canvas.view.project(s, z, up)
        dark = canvas.weather.dark
        self._draw_wall(brush, end, 0.82, max(1, int(self.width / 3.5)), dark)
        self._draw_wall(brush, along, 1.0, max(1, int((self.far - near) / 3.2)), dark)

    def _draw_wall(
        self, brush: Brush, wall: Floats, light: float, columns: int, dark: bool
    ) -> None:
        brush.fill([wall], scale_color(self.color, light))
        rows = self.floors
        row, column = np.divmod(np.arange(rows * columns), columns)
        left, bottom = (column + 0.22) / columns, (row + 0.32) / rows
        quads = np.stack([left, bottom, left + 0.56 / columns, bottom + 0.5 / rows], axis=-1)
        windows = subdivide_quad(wall, quads)
        bright = self.lit[row % self.lit.shape[0], column % self.lit.shape[1]] > 0.6
        brush.fill(windows[~bright], (52, 60, 72))
        brush.fill(windows[bright], (236, 196, 120) if dark else (112, 130, 148), glow=dark)


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk, and a crown of discs."""

    s: float  # meters
    z: float  # meters
    height: float  # meters
    trunk: float  # height of the trunk, meters
    discs: Floats  # (n, 4): right and up (-1 to 1, of the crown), radius (meters), brightness
    color: Color

    @property
    def depth(self) -> float:
        """Distance in meters; objects are painted in descending order of it."""
        return self.z

    def draw(self, canvas: Canvas) -> None:
        """Paint the tree, flat and facing the camera."""
        x, column, row, scale = canvas.view.project_ground_point(self.s, self.z)
        brush = canvas.get_brush(x, self.z)
        half = max(0.02 * self.height * scale, 0.5)
        top = row - (self.trunk + 0.5) * scale
        brush.fill([make_upright_quad(column, row, half, top)], (74, 60, 48))
        reach = (self.height - self.trunk) / 2 * scale
        middle = row - self.height * scale + reach
        for right, up, radius, brightness in self.discs.tolist():
            center = (column + right * reach, middle - up * reach)
            brush.fill_disc(center, radius * scale, scale_color(self.color, brightness))


@dataclass(frozen=True, slots=True)
class Post:
    """A pole with a lamp, a sign or a traffic light on top."""

    s: float  # meters
    z: float  # meters
    height: float  # meters
    top: Literal["lamp", "sign", "signal"]
    color: Color  # color of the sign or of the light that is on

    @property
    def depth(self) -> float:
        """Distance in meters; objects are painted in descending order of it."""
        return self.z

    def draw(self, canvas: Canvas) -> None:
        """Paint the pole, and the lamp, sign or traffic light."""
        x, column, row, scale = canvas.view.project_ground_point(self.s, self.z)
        brush, head = canvas.get_brush(x, self.z), row - self.height * scale
        half = max((0.04 if self.top == "sign" else 0.08) * scale, 0.4)
        brush.fill([make_upright_quad(column, row, half, head)], (96, 98, 98))
        if self.top == "lamp":
            self._draw_lamp(canvas, brush, (column, head), scale)
        elif self.top == "sign":
            low = head + 0.75 * scale
            brush.fill([make_upright_quad(column, low, 0.36 * scale, head)], (216, 216, 212))
            brush.fill(
                [make_upright_quad(column, low - 0.05 * scale, 0.31 * scale, head + 0.05 * scale)],
                self.color,
            )
        elif self.top == "signal":
            self._draw_signal(brush, (column, head), scale)

    def _draw_lamp(
        self, canvas: Canvas, brush: Brush, head: tuple[float, float], scale: float
    ) -> None:
        column, row = head
        thick = max(0.08 * scale, 0.5)
        tip = column - float(np.sign(self.s)) * 1.8 * scale
        high = row - 0.25 * scale
        arm = np.array([(column, row), (tip, high), (tip, high + thick), (column, row + thick)])
        brush.fill([arm], (96, 98, 98))
        dark = canvas.weather.dark
        lamp = make_upright_quad(tip, high + 1.6 * thick, max(0.3 * scale, 0.6), high)
        brush.fill([lamp], LAMP if dark else (188, 190, 186), glow=dark)
        if dark and len(brush.frame) == canvas.view.height:
            brush.add_halo((tip, high), 0.6 * scale + 1.5, (150, 126, 82))

    def _draw_signal(self, brush: Brush, head: tuple[float, float], scale: float) -> None:
        column, row = head
        brush.fill([make_upright_quad(column, row + scale, 0.19 * scale, row)], (30, 32, 30))
        lit = SIGNALS.index(self.color)
        for number in range(3):
            color = self.color if number == lit else (52, 50, 48)
            center = (column, row + (0.2 + 0.3 * number) * scale)
            brush.fill_disc(center, 0.12 * scale, color, glow=number == lit)


@dataclass(frozen=True, slots=True)
class Wall:
    """A segment of a guard rail, concrete barrier or hedge along the road."""

    s: float  # meters
    near: float  # meters ahead
    far: float  # meters ahead
    bottom: float  # meters above the ground
    top: float  # meters above the ground
    color: Color

    @property
    def depth(self) -> float:
        """Distance in meters; objects are painted in descending order of it."""
        return (self.near + self.far) / 2

    def draw(self, canvas: Canvas) -> None:
        """Paint the face of the wall, and a post if the face does not reach the ground."""
        view = canvas.view
        near = max(self.near, NEAREST)
        x, column, row, scale = view.project_ground_point(self.s, near)
        brush = canvas.get_brush(x, near)
        if self.bottom > 0:
            post = make_upright_quad(column, row, max(0.05 * scale, 0.4), row - self.top * scale)
            brush.fill([post], scale_color(self.color, 0.6))
        z = np.linspace(near, self.far, 3)
        cap = self.top - 0.18 * (self.top - self.bottom)
        low, edge, high = view.project(
            self.s, np.stack([z, z, z]), np.array([[self.bottom], [cap], [self.top]])
        )
        brush.fill([np.concatenate([low, high[::-1]])], self.color)
        brush.fill([np.concatenate([edge, high[::-1]])], scale_color(self.color, 1.2))


@dataclass(frozen=True, slots=True)
class Gantry:
    """A gantry over the road with green signs."""

    left: float  # meters, offset of the left leg
    right: float  # meters, offset of the right leg
    z: float  # meters
    height: float  # meters from the ground to the lower edge
    panels: tuple[tuple[float, float], ...]  # left and right edges of signs, meters

    @property
    def depth(self) -> float:
        """Distance in meters; objects are painted in descending order of it."""
        return self.z

    def draw(self, canvas: Canvas) -> None:
        """Paint legs, beam and signs."""
        view, top = canvas.view, self.height + 1.6
        brush = canvas.get_brush(view.road.find_x(0.0, self.z), self.z)
        legs = [self._project_upright(view, s, s + 0.35, 0, top) for s in (self.left, self.right)]
        for part in (*legs, self._project_upright(view, self.left, self.right, top - 0.4, top)):
            brush.fill([part], STEEL)
        for left, right in self.panels:
            panel = self._project_upright(view, left, right, self.height, self.height + 2.2)
            brush.fill([panel], (24, 104, 72))
            text = subdivide_quad(panel, [(0.12, v, 0.8, v + 0.16) for v in (0.2, 0.6)])
            brush.fill(text, (206, 218, 210))

    def _project_upright(
        self, view: View, left: float, right: float, bottom: float, top: float
    ) -> Floats:
        s, up = np.array([left, right, right, left]), np.array([bottom, bottom, top, top])
        return view.project(s, np.full(4, self.z), up)


@dataclass(frozen=True, slots=True)
class Backdrop:
    """Sky, clouds, and ridges or a skyline at the horizon.

    Attributes:
        clouds: Density of the clouds, 0 to 1, at a small size.
        cloud_opacity: Opacity of the densest clouds, 0 to 1.
        cloud_color: Color of the clouds.
        glow: Color that is added around the sun.
        glow_at: Position of the sun, (x, y), relative to the width and the height of the sky.
        ridges: For each, from far to near: heights relative to the image width, the color, and
            whether heights change in steps as those of buildings do.
    """

    clouds: npt.NDArray[np.float32]
    cloud_opacity: float
    cloud_color: Color
    glow: Color
    glow_at: tuple[float, float]
    ridges: tuple[tuple[Floats, Color, bool], ...]


def make_upright_quad(column: float, bottom: float, half: float, top: float) -> Floats:
    """Return an upright rectangle, in pixels; `half` is half its width."""
    left, right = column - half, column + half
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def paint_backdrop(canvas: Canvas, backdrop: Backdrop) -> None:
    """Paint everything above the ground."""
    view = canvas.view
    sky = canvas.frame[: view.top]
    # The sky is smooth, so a quarter of the resolution is enough.
    small = paint_sky(max(2, view.top // 4), max(2, view.width // 4), backdrop, canvas.weather)
    sky[:] = cv2.resize(small, (view.width, view.top), interpolation=cv2.INTER_LINEAR)
    for heights, color, stepped in backdrop.ridges:
        paint_ridge(sky, heights, color, stepped)


def paint_sky(height: int, width: int, backdrop: Backdrop, weather: Weather) -> Image:
    """Return the sky with clouds and the glow of the sun, (height, width, 3), uint8."""
    rise = np.linspace(0, 1, height, dtype=np.float32)
    low, high = np.array(weather.skyline), np.array(weather.zenith)
    gradient = high + (low - high) * (rise**1.5)[:, None]
    density = cv2.resize(backdrop.clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip(density * 2.2 - 0.9, 0, 1)[..., None] * backdrop.cloud_opacity
    paint = gradient[:, None] * (1 - share) + share * np.array(backdrop.cloud_color)
    column, row = backdrop.glow_at
    across = np.exp(-(((np.arange(width) / width - column) / 0.28) ** 2))
    down = np.exp(-(((rise - row) / 0.5) ** 2))
    paint += (down[:, None] * across)[..., None] * np.array(backdrop.glow)
    return np.asarray(np.clip(paint, 0, 255), np.uint8)


def paint_ridge(sky: Image, heights: Floats, color: Color, stepped: bool) -> None:
    """Fill the sky below a profile of heights, which are relative to the image width."""
    bottom, width = sky.shape[:2]
    positions = np.linspace(0, 1, len(heights))
    if stepped:
        positions, heights = np.repeat(positions, 2)[1:], np.repeat(heights, 2)[:-1]
    x = np.concatenate([[0.0], positions, [1.0]]) * width
    y = bottom - np.concatenate([[-0.01], heights, [-0.01]]) * width
    points = np.round(np.stack([x, y], axis=-1) * 16).astype(np.int32)
    cv2.fillPoly(sky, [points], color, cv2.LINE_AA, 4)

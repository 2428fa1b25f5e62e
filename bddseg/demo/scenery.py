"""What stands beside the road and behind it: buildings, trees, poles, barriers, sky."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.demo.canvas import Brush, Canvas
from bddseg.demo.road import Colour, Floats, View
from bddseg.demo.vehicles import cut_face, shade
from bddseg.demo.weather import Image, Weather

STEEL: Colour = (118, 122, 124)
LAMP: Colour = (255, 226, 170)
SIGNALS: tuple[Colour, ...] = ((235, 60, 40), (240, 190, 50), (70, 225, 130))  # from the top
NEAREST = 2.5  # metres; nearer things would fill the picture


@dataclass(frozen=True, slots=True)
class Building:
    """A box with windows beside the road."""

    s: float  # metres, of the wall towards the road
    near: float  # metres
    far: float
    height: float  # metres
    width: float  # metres away from the road
    colour: Colour
    storeys: int
    lit: Floats  # brightness of the windows, 0 to 1, one for each of a grid

    @property
    def depth(self) -> float:
        """Distance (metres) by which things are painted, far ones first."""
        return self.far

    def draw(self, canvas: Canvas) -> None:
        """Paint the end wall and the wall along the road."""
        near, road = max(self.near, NEAREST), canvas.view.road
        brush = canvas.pick_brush(road.place(self.s, near), near)
        outer = self.s + float(np.sign(self.s)) * self.width
        # on a bend the wall along the road is straight, too: only its ends are placed
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
        brush.fill([wall], shade(self.colour, light))
        rows = self.storeys
        row, column = np.divmod(np.arange(rows * columns), columns)
        left, bottom = (column + 0.22) / columns, (row + 0.32) / rows
        quads = np.stack([left, bottom, left + 0.56 / columns, bottom + 0.5 / rows], axis=-1)
        panes = cut_face(wall, quads)
        bright = self.lit[row % self.lit.shape[0], column % self.lit.shape[1]] > 0.6
        brush.fill(panes[~bright], (52, 60, 72))
        brush.fill(panes[bright], (236, 196, 120) if dark else (112, 130, 148), glow=dark)


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk and a crown of blobs."""

    s: float  # metres
    z: float
    height: float  # metres
    trunk: float  # height of the trunk, metres
    blobs: Floats  # (n, 4): right, up (of the crown, -1 to 1), radius (metres), tone
    colour: Colour

    @property
    def depth(self) -> float:
        """Distance (metres) by which things are painted, far ones first."""
        return self.z

    def draw(self, canvas: Canvas) -> None:
        """Paint the tree as a flat figure facing the camera."""
        x, column, row, scale = canvas.view.find_spot(self.s, self.z)
        brush = canvas.pick_brush(x, self.z)
        half = max(0.02 * self.height * scale, 0.5)
        top = row - (self.trunk + 0.5) * scale
        brush.fill([stand_quad(column, row, half, top)], (74, 60, 48))
        reach = (self.height - self.trunk) / 2 * scale
        middle = row - self.height * scale + reach
        for right, up, radius, tone in self.blobs.tolist():
            centre = (column + right * reach, middle - up * reach)
            brush.fill_disc(centre, radius * scale, shade(self.colour, tone))


@dataclass(frozen=True, slots=True)
class Post:
    """A pole with something on it: "lamp", "sign", "signal" or "" for nothing."""

    s: float  # metres
    z: float
    height: float  # metres
    top: str
    colour: Colour  # of the sign or the signal

    @property
    def depth(self) -> float:
        """Distance (metres) by which things are painted, far ones first."""
        return self.z

    def draw(self, canvas: Canvas) -> None:
        """Paint the pole and what is on it."""
        x, column, row, scale = canvas.view.find_spot(self.s, self.z)
        brush, head = canvas.pick_brush(x, self.z), row - self.height * scale
        half = max((0.04 if self.top == "sign" else 0.08) * scale, 0.4)
        brush.fill([stand_quad(column, row, half, head)], (96, 98, 98))
        if self.top == "lamp":
            self._draw_lamp(canvas, brush, (column, head), scale)
        elif self.top == "sign":
            low = head + 0.75 * scale
            brush.fill([stand_quad(column, low, 0.36 * scale, head)], (216, 216, 212))
            brush.fill(
                [stand_quad(column, low - 0.05 * scale, 0.31 * scale, head + 0.05 * scale)],
                self.colour,
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
        lamp = stand_quad(tip, high + 1.6 * thick, max(0.3 * scale, 0.6), high)
        brush.fill([lamp], LAMP if dark else (188, 190, 186), glow=dark)
        if dark and len(brush.frame) == canvas.view.height:
            brush.add_halo((tip, high), 0.6 * scale + 1.5, (150, 126, 82))

    def _draw_signal(self, brush: Brush, head: tuple[float, float], scale: float) -> None:
        column, row = head
        brush.fill([stand_quad(column, row + scale, 0.19 * scale, row)], (30, 32, 30))
        lit = SIGNALS.index(self.colour)
        for number in range(3):
            colour = self.colour if number == lit else (52, 50, 48)
            centre = (column, row + (0.2 + 0.3 * number) * scale)
            brush.fill_disc(centre, 0.12 * scale, colour, glow=number == lit)


@dataclass(frozen=True, slots=True)
class Wall:
    """A piece of guard rail, concrete barrier, fence or hedge along the road."""

    s: float  # metres
    near: float  # metres
    far: float
    bottom: float  # metres above the ground
    top: float
    colour: Colour

    @property
    def depth(self) -> float:
        """Distance (metres) by which things are painted, far ones first."""
        return (self.near + self.far) / 2

    def draw(self, canvas: Canvas) -> None:
        """Paint the face of the wall, and a post if it hangs above the ground."""
        view = canvas.view
        near = max(self.near, NEAREST)
        x, column, row, scale = view.find_spot(self.s, near)
        brush = canvas.pick_brush(x, near)
        if self.bottom > 0:
            post = stand_quad(column, row, max(0.05 * scale, 0.4), row - self.top * scale)
            brush.fill([post], shade(self.colour, 0.6))
        z = np.linspace(near, self.far, 3)
        cap = self.top - 0.18 * (self.top - self.bottom)
        low, edge, high = view.project(
            self.s, np.stack([z, z, z]), np.array([[self.bottom], [cap], [self.top]])
        )
        brush.fill([np.concatenate([low, high[::-1]])], self.colour)
        brush.fill([np.concatenate([edge, high[::-1]])], shade(self.colour, 1.2))


@dataclass(frozen=True, slots=True)
class Gantry:
    """A green sign across the road, on two legs."""

    left: float  # metres
    right: float
    z: float
    height: float  # metres, of the lower edge
    panels: tuple[tuple[float, float], ...]  # left and right ends, metres

    @property
    def depth(self) -> float:
        """Distance (metres) by which things are painted, far ones first."""
        return self.z

    def draw(self, canvas: Canvas) -> None:
        """Paint legs, beam and panels."""
        view, top = canvas.view, self.height + 1.6
        brush = canvas.pick_brush(view.road.place(0.0, self.z), self.z)
        legs = [self._stand(view, s, s + 0.35, 0, top) for s in (self.left, self.right)]
        for part in (*legs, self._stand(view, self.left, self.right, top - 0.4, top)):
            brush.fill([part], STEEL)
        for left, right in self.panels:
            panel = self._stand(view, left, right, self.height, self.height + 2.2)
            brush.fill([panel], (24, 104, 72))
            text = cut_face(panel, [(0.12, v, 0.8, v + 0.16) for v in (0.2, 0.6)])
            brush.fill(text, (206, 218, 210))

    def _stand(self, view: View, left: float, right: float, bottom: float, top: float) -> Floats:
        s, up = np.array([left, right, right, left]), np.array([bottom, bottom, top, top])
        return view.project(s, np.full(4, self.z), up)


@dataclass(frozen=True, slots=True)
class Backdrop:
    """Sky, clouds and the far ridge or skyline."""

    clouds: npt.NDArray[np.float32]  # small field, 0 to 1, stretched over the sky
    cover: float  # share of the clouds' colour
    cloud_colour: Colour
    glow: Colour  # added around the sun
    glow_at: tuple[float, float]  # of the width, and of the sky's height
    ridges: tuple[tuple[Floats, Colour, bool], ...]  # heights in parts of the width; stepped


def stand_quad(column: float, bottom: float, half: float, top: float) -> Floats:
    """An upright rectangle of pixels."""
    left, right = column - half, column + half
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def paint_backdrop(canvas: Canvas, backdrop: Backdrop) -> None:
    """Paint everything above the ground."""
    view = canvas.view
    sky = canvas.frame[: view.top]
    # the sky is smooth: a quarter of the pixels each way is enough
    small = paint_sky(max(2, view.top // 4), max(2, view.width // 4), backdrop, canvas.weather)
    sky[:] = cv2.resize(small, (view.width, view.top), interpolation=cv2.INTER_LINEAR)
    for heights, colour, stepped in backdrop.ridges:
        paint_ridge(sky, heights, colour, stepped)


def paint_sky(height: int, width: int, backdrop: Backdrop, weather: Weather) -> Image:
    """Sky with clouds and the glow of the sun, at a size of its own."""
    rise = np.linspace(0, 1, height, dtype=np.float32)
    low, high = np.array(weather.skyline), np.array(weather.zenith)
    gradient = high + (low - high) * (rise**1.5)[:, None]
    field = cv2.resize(backdrop.clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip(field * 2.2 - 0.9, 0, 1)[..., None] * backdrop.cover
    paint = gradient[:, None] * (1 - share) + share * np.array(backdrop.cloud_colour)
    column, row = backdrop.glow_at
    across = np.exp(-(((np.arange(width) / width - column) / 0.28) ** 2))
    down = np.exp(-(((rise - row) / 0.5) ** 2))
    paint += (down[:, None] * across)[..., None] * np.array(backdrop.glow)
    return np.asarray(np.clip(paint, 0, 255), np.uint8)


def paint_ridge(sky: Image, heights: Floats, colour: Colour, stepped: bool) -> None:
    """Fill from a height profile (in parts of the width) down to the end of the sky."""
    bottom, width = sky.shape[:2]
    places = np.linspace(0, 1, len(heights))
    if stepped:
        places, heights = np.repeat(places, 2)[1:], np.repeat(heights, 2)[:-1]
    x = np.concatenate([[0.0], places, [1.0]]) * width
    y = bottom - np.concatenate([[-0.01], heights, [-0.01]]) * width
    points = np.round(np.stack([x, y], axis=-1) * 16).astype(np.int32)
    cv2.fillPoly(sky, [points], colour, cv2.LINE_AA, 4)

"""Vehicles as a few shaded solids with windows, wheels and lights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bddseg.demo.canvas import Canvas
from bddseg.demo.road import Colour, Floats

GLASS: Colour = (38, 44, 52)
RUBBER: Colour = (22, 22, 24)
TAIL: Colour = (235, 30, 25)
HEAD: Colour = (255, 250, 225)
SHADING = {"rear": 0.86, "front": 0.86, "left": 0.68, "right": 0.74, "top": 1.12}
# Corners of a solid: lower rear left, rear right, front right, front left; then the same above.
FACES = ("front", "left", "right", "rear", "top")
CORNERS = np.array([(2, 3, 7, 6), (3, 0, 4, 7), (1, 2, 6, 5), (0, 1, 5, 4), (4, 5, 6, 7)])
Quad = tuple[float, float, float, float]  # left, bottom, right, top; as shares of a face
Panes = Mapping[str, tuple[Quad, ...]]  # windows of each face
REAR_LAMPS: tuple[Quad, Quad] = ((0.02, 0.52, 0.2, 0.9), (0.8, 0.52, 0.98, 0.9))
FRONT_LAMPS: tuple[Quad, Quad] = ((0.04, 0.5, 0.27, 0.78), (0.73, 0.5, 0.96, 0.78))
SMALL = 14.0  # pixels; on narrower vehicles wheels and plates are not seen
RIM = np.stack([np.cos(np.arange(14) * np.pi / 7), np.sin(np.arange(14) * np.pi / 7)])


@dataclass(frozen=True, slots=True)
class Block:
    """A solid between a lower and an upper rectangle; lengths are shares of the vehicle's."""

    lower: tuple[float, float]  # from rear to front
    upper: tuple[float, float]
    rise: tuple[float, float]  # bottom and top, of the vehicle's height
    taper: float = 1.0  # width of the upper rectangle, of the vehicle's width
    windows: Panes = field(default_factory=dict)
    tint: Colour | None = None  # the vehicle's colour if none


CABIN: Panes = {
    "left": ((0.08, 0.1, 0.47, 0.86), (0.53, 0.1, 0.92, 0.86)),
    "right": ((0.08, 0.1, 0.47, 0.86), (0.53, 0.1, 0.92, 0.86)),
    "rear": ((0.08, 0.1, 0.92, 0.86),),
    "front": ((0.07, 0.06, 0.93, 0.9),),
}
DELIVERY: Panes = {
    "left": ((0.08, 0.1, 0.4, 0.86),),
    "right": ((0.6, 0.1, 0.92, 0.86),),
    "rear": ((0.08, 0.3, 0.47, 0.86), (0.53, 0.3, 0.92, 0.86)),
    "front": CABIN["front"],
}
COACH: Panes = {
    "rear": ((0.1, 0.52, 0.9, 0.84),),
    "front": ((0.05, 0.36, 0.95, 0.86),),
    "left": tuple((n / 6 + 0.015, 0.46, n / 6 + 0.15, 0.82) for n in range(6)),
    "right": tuple((n / 6 + 0.015, 0.46, n / 6 + 0.15, 0.82) for n in range(6)),
}
SEDAN = (
    Block((0, 1), (0.01, 0.97), (0.17, 0.6), 0.97),
    Block((0.08, 0.76), (0.24, 0.58), (0.6, 1.0), 0.78, CABIN),
)
WAGON = (
    Block((0, 1), (0.01, 0.96), (0.17, 0.58), 0.98),
    Block((0.01, 0.76), (0.07, 0.62), (0.58, 1.0), 0.82, CABIN),
)
PICKUP = (
    Block((0, 1), (0.0, 0.97), (0.2, 0.6), 0.98),
    Block((0.36, 0.78), (0.42, 0.66), (0.6, 1.0), 0.82, CABIN),
)
VAN = (
    Block((0, 1), (0.0, 0.95), (0.13, 0.5), 0.99),
    Block((0, 0.9), (0.02, 0.72), (0.5, 1.0), 0.9, DELIVERY),
)
TRUCK = (
    Block((0.0, 1.0), (0.0, 1.0), (0.1, 0.26), 0.9, {}, (50, 50, 52)),
    Block((0.76, 1), (0.77, 0.97), (0.2, 0.78), 0.94, {"front": ((0.07, 0.5, 0.93, 0.92),)}),
    Block((0, 0.74), (0, 0.74), (0.24, 1.0), 1.0, {}, (222, 222, 218)),
)
BUS = (Block((0, 1), (0, 1), (0.1, 1.0), 0.98, COACH),)


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of vehicle and its usual size in metres."""

    blocks: tuple[Block, ...]
    length: float
    width: float
    height: float
    wheel: float = 0.32  # radius


MODELS = {
    "sedan": Model(SEDAN, 4.5, 1.8, 1.45),
    "wagon": Model(WAGON, 4.6, 1.9, 1.7, 0.35),
    "pickup": Model(PICKUP, 5.4, 2.0, 1.85, 0.4),
    "van": Model(VAN, 5.4, 2.0, 2.2, 0.34),
    "truck": Model(TRUCK, 9.0, 2.45, 3.5, 0.48),
    "bus": Model(BUS, 11.0, 2.5, 3.1, 0.48),
}


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle on the road; z is its nearest end."""

    model: str
    s: float  # metres
    z: float  # metres
    colour: Colour
    scale: float  # of the model's size
    oncoming: bool = False
    braking: bool = False
    lamps: bool = False

    @property
    def length(self) -> float:
        """Length in metres."""
        return MODELS[self.model].length * self.scale

    @property
    def depth(self) -> float:
        """Distance (metres) by which things are painted, far ones first."""
        return self.z + self.length / 2

    def outline_footprint(self, margin: float) -> Floats:
        """Rectangle (s, z) on the ground, ``margin`` metres larger than the vehicle."""
        half = MODELS[self.model].width * self.scale / 2 + margin
        rear, front = self.z - margin, self.z + self.length + margin
        sides = (self.s - half, self.s + half)
        return np.array([(sides[0], rear), (sides[1], rear), (sides[1], front), (sides[0], front)])

    def draw(self, canvas: Canvas) -> None:
        """Paint the vehicle and mark what it covers."""
        painter = CarPainter(self, canvas)
        painter.draw_tyres()
        blocks = MODELS[self.model].blocks
        if self.model == "truck" and self.oncoming:
            blocks = (blocks[0], blocks[2], blocks[1])  # the box is behind the cab
        for block in blocks:
            painter.draw_block(block)
        if painter.detailed:
            painter.draw_wheels()
        painter.draw_end()


class CarPainter:
    """Paints one vehicle on one canvas."""

    def __init__(self, car: Car, canvas: Canvas) -> None:
        self.car = car
        model, road = MODELS[car.model], canvas.view.road
        self.view = canvas.view
        self.length = car.length
        self.width = model.width * car.scale
        self.height = model.height * car.scale
        self.wheel = model.wheel * car.scale
        self.x = road.place(car.s, car.z)
        run = road.place(car.s, car.z + self.length) - self.x
        stretch = float(np.hypot(run, self.length))
        self.ahead = (run / stretch, self.length / stretch)  # unit vector, x and z
        # the body is rigid: the ground under it is taken as flat between its ends
        self.base = road.find_elevation(car.z)
        self.grade = (road.find_elevation(car.z + self.length) - self.base) / self.length
        self.brush = canvas.pick_brush(self.x, car.z)
        self.dark = canvas.weather.dark
        self.detailed = self.width * canvas.view.focal / car.z > SMALL

    def project(self, along: Floats, across: Floats, up: Floats) -> Floats:
        """Pixels of points given by metres from the rear, right of the middle, and up."""
        if self.car.oncoming:
            along, across = self.length - along, -across
        forward = along * self.ahead[1] - across * self.ahead[0]
        x = self.x + along * self.ahead[0] + across * self.ahead[1]
        return self.view.project_world(
            x, self.base + self.grade * forward + up, self.car.z + forward
        )

    def draw_block(self, block: Block) -> None:
        """Paint the faces of a solid that look at the camera, with their windows."""
        low, high = self.width / 2, self.width / 2 * block.taper
        (rear, front), (rear_up, front_up) = block.lower, block.upper
        ends = (rear, rear, front, front, rear_up, rear_up, front_up, front_up)
        along = np.array(ends) * self.length
        across = np.array([-low, low, low, -low, -high, high, high, -high])
        up = np.repeat(block.rise, 4) * self.height
        faces = self.project(along, across, up)[CORNERS]
        colour = block.tint or self.car.colour
        for name, face, seen in zip(FACES, faces, face_camera(faces), strict=True):
            if seen:
                self.brush.fill([face], shade(colour, SHADING[name]))
                if name in block.windows:
                    self.brush.fill(cut_face(face, block.windows[name]), GLASS)

    def draw_tyres(self) -> None:
        """Paint the near tyres as seen from behind or ahead, and the dark underbody."""
        half, tread = self.width / 2, 0.22 * self.car.scale
        near = (0.88 if self.car.oncoming else 0.12) * self.length
        inner, low, high = half - tread, 0.4 * self.wheel, 1.2 * self.wheel
        across = np.array(
            [(-half, -inner, -inner, -half), (inner, half, half, inner), (-half, half, half, -half)]
        )
        tyre = (0.0, 0.0, 2 * self.wheel, 2 * self.wheel)
        up = np.array([tyre, tyre, (low, low, high, high)])
        shapes = self.project(np.full((3, 4), near), across, up)
        self.brush.fill(shapes[:2], RUBBER)
        self.brush.fill(shapes[2:], (16, 16, 18))

    def draw_wheels(self) -> None:
        """Paint the wheels on the side that is in view."""
        half = self.width / 2
        along = np.array([(0.0, 1.0, 1.0, 0.0), (1.0, 0.0, 0.0, 1.0)]) * self.length
        across = np.repeat([[half], [-half]], 4, axis=1)
        sides = self.project(along, across, np.array([(0.0, 0.0, 1.0, 1.0)] * 2))
        for side, seen in zip((half, -half), face_camera(sides), strict=True):
            if not seen:
                continue
            centres = np.array([[0.18], [0.81]]) * self.length
            for radius, colour in ((self.wheel, RUBBER), (self.wheel * 0.55, (120, 122, 126))):
                up = np.repeat(self.wheel + radius * RIM[1:], 2, axis=0)
                rims = self.project(centres + radius * RIM[0], np.full((2, 14), side * 1.01), up)
                self.brush.fill(rims, colour)

    def draw_end(self) -> None:
        """Paint lights, plate and bumper on the end that is in view."""
        half = self.width / 2 * (-1 if self.car.oncoming else 1)
        near = self.length if self.car.oncoming else 0.0
        across = np.array((-half, half, half, -half))
        low = MODELS[self.car.model].blocks[0].rise[0]
        top = 0.6 if self.height < 2 else 0.45 if self.height < 3 else 0.3
        up = np.array([low, low, top, top]) * self.height
        face = self.project(np.full(4, near), across, up)
        if self.detailed:
            bumper, plate = cut_face(face, ((0.0, 0.0, 1.0, 0.2), (0.36, 0.3, 0.64, 0.5)))
            self.brush.fill([bumper], shade(self.car.colour, 0.42))
            self.brush.fill([plate], (40, 42, 46) if self.car.oncoming else (214, 214, 206))
        self.draw_lamps(cut_face(face, FRONT_LAMPS if self.car.oncoming else REAR_LAMPS))

    def draw_lamps(self, lamps: Floats) -> None:
        """Paint the two lamps of the end in view, and their halos if lit."""
        lit = self.car.lamps or self.car.braking
        colour = HEAD if self.car.oncoming else TAIL
        self.brush.fill(lamps, colour if lit else shade(colour, 0.75), glow=lit)
        if not lit or len(self.brush.frame) < self.view.height:
            return
        reach = self.view.focal * (0.34 if self.dark else 0.18) / self.car.z
        halo = shade(colour, 0.75 if self.dark else 0.3)
        for column, row in lamps.mean(axis=1):
            self.brush.add_halo((float(column), float(row)), reach + 1, halo)


def face_camera(faces: Floats) -> npt.NDArray[np.bool_]:
    """Which quadrilaterals (n, 4, 2) run anticlockwise on the screen."""
    first, second = faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1]
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0)


def shade(colour: Colour, factor: float) -> Colour:
    """A lighter or darker colour."""
    red, green, blue = colour
    return min(255.0, red * factor), min(255.0, green * factor), min(255.0, blue * factor)


def cut_face(face: Floats, quads: Sequence[Quad] | Floats) -> Floats:
    """Parts (n, 4, 2) of a quadrilateral (lower left, lower right, upper right, upper left)."""
    shares = np.asarray(quads)[:, :, None]
    u, v = shares[:, (0, 2, 2, 0)], shares[:, (1, 1, 3, 3)]
    low = face[0] + (face[1] - face[0]) * u
    high = face[3] + (face[2] - face[3]) * u
    parts: Floats = low + (high - low) * v
    return parts

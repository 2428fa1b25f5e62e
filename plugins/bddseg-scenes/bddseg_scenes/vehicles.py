"""Vehicles: a few shaded solids with windows, wheels and lights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bddseg_scenes.canvas import Canvas
from bddseg_scenes.road import Color, Floats

GLASS: Color = (38, 44, 52)
RUBBER: Color = (22, 22, 24)
TAILLIGHT: Color = (235, 30, 25)
HEADLIGHT: Color = (255, 250, 225)
SHADING = {"rear": 0.86, "front": 0.86, "left": 0.68, "right": 0.74, "top": 1.12}
FACES = ("front", "left", "right", "rear", "top")
# Indices of corners: lower rear left, rear right, front right, front left; then the upper ones.
CORNERS = np.array([(2, 3, 7, 6), (3, 0, 4, 7), (1, 2, 6, 5), (0, 1, 5, 4), (4, 5, 6, 7)])
Quad = tuple[float, float, float, float]  # left, bottom, right, top, relative to a face
Windows = Mapping[str, tuple[Quad, ...]]  # windows by face
REAR_LIGHTS: tuple[Quad, Quad] = ((0.02, 0.52, 0.2, 0.9), (0.8, 0.52, 0.98, 0.9))
FRONT_LIGHTS: tuple[Quad, Quad] = ((0.04, 0.5, 0.27, 0.78), (0.73, 0.5, 0.96, 0.78))
SMALL = 14.0  # pixels; narrower vehicles have no visible wheels and license plates
RIM = np.stack([np.cos(np.arange(14) * np.pi / 7), np.sin(np.arange(14) * np.pi / 7)])


@dataclass(frozen=True, slots=True)
class Block:
    """A solid between a lower and an upper rectangle; lengths are relative to the vehicle's."""

    lower: tuple[float, float]  # rear and front of the lower rectangle
    upper: tuple[float, float]  # rear and front of the upper rectangle
    heights: tuple[float, float]  # heights of the two rectangles
    taper: float = 1.0  # width of the upper rectangle
    windows: Windows = field(default_factory=dict)
    tint: Color | None = None  # color, if it differs from the vehicle's


CABIN: Windows = {
    "left": ((0.08, 0.1, 0.47, 0.86), (0.53, 0.1, 0.92, 0.86)),
    "right": ((0.08, 0.1, 0.47, 0.86), (0.53, 0.1, 0.92, 0.86)),
    "rear": ((0.08, 0.1, 0.92, 0.86),),
    "front": ((0.07, 0.06, 0.93, 0.9),),
}
DELIVERY: Windows = {
    "left": ((0.08, 0.1, 0.4, 0.86),),
    "right": ((0.6, 0.1, 0.92, 0.86),),
    "rear": ((0.08, 0.3, 0.47, 0.86), (0.53, 0.3, 0.92, 0.86)),
    "front": CABIN["front"],
}
COACH: Windows = {
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
class VehicleModel:
    """A type of vehicle, with its usual size in meters."""

    blocks: tuple[Block, ...]
    length: float
    width: float
    height: float
    wheel_radius: float = 0.32


VEHICLE_MODELS = {
    "sedan": VehicleModel(SEDAN, 4.5, 1.8, 1.45),
    "wagon": VehicleModel(WAGON, 4.6, 1.9, 1.7, 0.35),
    "pickup": VehicleModel(PICKUP, 5.4, 2.0, 1.85, 0.4),
    "van": VehicleModel(VAN, 5.4, 2.0, 2.2, 0.34),
    "truck": VehicleModel(TRUCK, 9.0, 2.45, 3.5, 0.48),
    "bus": VehicleModel(BUS, 11.0, 2.5, 3.1, 0.48),
}


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle on the road."""

    model: str
    s: float  # meters
    z: float  # meters to the nearer end
    color: Color
    scale: float  # size relative to the model's
    oncoming: bool = False
    braking: bool = False
    lights_on: bool = False

    @property
    def length(self) -> float:
        """Length in meters."""
        return VEHICLE_MODELS[self.model].length * self.scale

    @property
    def depth(self) -> float:
        """Distance in meters; objects are painted in descending order of it."""
        return self.z + self.length / 2

    def outline_footprint(self, margin: float) -> Floats:
        """Return the rectangle (s, z) on the ground, with a margin in meters on each side."""
        half = VEHICLE_MODELS[self.model].width * self.scale / 2 + margin
        rear, front = self.z - margin, self.z + self.length + margin
        sides = (self.s - half, self.s + half)
        return np.array([(sides[0], rear), (sides[1], rear), (sides[1], front), (sides[0], front)])

    def draw(self, canvas: Canvas) -> None:
        """Paint the vehicle."""
        painter = VehiclePainter(self, canvas)
        painter.draw_tires()
        blocks = VEHICLE_MODELS[self.model].blocks
        if self.model == "truck" and self.oncoming:
            blocks = (
                blocks[0],
                blocks[2],
                blocks[1],
            )  # from far to near: the box is behind the cab
        for block in blocks:
            painter.draw_block(block)
        if painter.detailed:
            painter.draw_wheels()
        painter.draw_visible_end()


class VehiclePainter:
    """Paints one vehicle on one canvas."""

    def __init__(self, vehicle: Vehicle, canvas: Canvas) -> None:
        self.vehicle = vehicle
        model, road = VEHICLE_MODELS[vehicle.model], canvas.view.road
        self.view = canvas.view
        self.length = vehicle.length
        self.width = model.width * vehicle.scale
        self.height = model.height * vehicle.scale
        self.wheel_radius = model.wheel_radius * vehicle.scale
        self.x = road.find_x(vehicle.s, vehicle.z)
        run = road.find_x(vehicle.s, vehicle.z + self.length) - self.x
        stretch = float(np.hypot(run, self.length))
        self.ahead = (run / stretch, self.length / stretch)  # unit vector, x and z
        # The body is rigid, so the ground below it counts as flat.
        self.base = road.find_elevation(vehicle.z)
        self.grade = (road.find_elevation(vehicle.z + self.length) - self.base) / self.length
        self.brush = canvas.get_brush(self.x, vehicle.z)
        self.dark = canvas.weather.dark
        self.detailed = self.width * canvas.view.focal / vehicle.z > SMALL

    def project(self, along: Floats, across: Floats, up: Floats) -> Floats:
        """Return pixels of points, given in meters from the rear, from the center line and up."""
        if self.vehicle.oncoming:
            along, across = self.length - along, -across
        forward = along * self.ahead[1] - across * self.ahead[0]
        x = self.x + along * self.ahead[0] + across * self.ahead[1]
        return self.view.project_world(
            x, self.base + self.grade * forward + up, self.vehicle.z + forward
        )

    def draw_block(self, block: Block) -> None:
        """Paint the visible faces of a solid, with their windows."""
        low, high = self.width / 2, self.width / 2 * block.taper
        (rear, front), (rear_up, front_up) = block.lower, block.upper
        ends = (rear, rear, front, front, rear_up, rear_up, front_up, front_up)
        along = np.array(ends) * self.length
        across = np.array([-low, low, low, -low, -high, high, high, -high])
        up = np.repeat(block.heights, 4) * self.height
        faces = self.project(along, across, up)[CORNERS]
        color = block.tint or self.vehicle.color
        for name, face, visible in zip(FACES, faces, find_visible_faces(faces), strict=True):
            if visible:
                self.brush.fill([face], scale_color(color, SHADING[name]))
                if name in block.windows:
                    self.brush.fill(subdivide_quad(face, block.windows[name]), GLASS)

    def draw_tires(self) -> None:
        """Paint the tires of the visible end, and the dark underbody."""
        half, tread = self.width / 2, 0.22 * self.vehicle.scale
        near = (0.88 if self.vehicle.oncoming else 0.12) * self.length
        inner, low, high = half - tread, 0.4 * self.wheel_radius, 1.2 * self.wheel_radius
        across = np.array(
            [(-half, -inner, -inner, -half), (inner, half, half, inner), (-half, half, half, -half)]
        )
        tire = (0.0, 0.0, 2 * self.wheel_radius, 2 * self.wheel_radius)
        up = np.array([tire, tire, (low, low, high, high)])
        shapes = self.project(np.full((3, 4), near), across, up)
        self.brush.fill(shapes[:2], RUBBER)
        self.brush.fill(shapes[2:], (16, 16, 18))

    def draw_wheels(self) -> None:
        """Paint the wheels on the visible side."""
        half = self.width / 2
        along = np.array([(0.0, 1.0, 1.0, 0.0), (1.0, 0.0, 0.0, 1.0)]) * self.length
        across = np.repeat([[half], [-half]], 4, axis=1)
        sides = self.project(along, across, np.array([(0.0, 0.0, 1.0, 1.0)] * 2))
        for side, visible in zip((half, -half), find_visible_faces(sides), strict=True):
            if not visible:
                continue
            centers = np.array([[0.18], [0.81]]) * self.length
            for radius, color in (
                (self.wheel_radius, RUBBER),
                (self.wheel_radius * 0.55, (120, 122, 126)),
            ):
                up = np.repeat(self.wheel_radius + radius * RIM[1:], 2, axis=0)
                rims = self.project(centers + radius * RIM[0], np.full((2, 14), side * 1.01), up)
                self.brush.fill(rims, color)

    def draw_visible_end(self) -> None:
        """Paint lights, license plate and bumper of the visible end."""
        half = self.width / 2 * (-1 if self.vehicle.oncoming else 1)
        near = self.length if self.vehicle.oncoming else 0.0
        across = np.array((-half, half, half, -half))
        low = VEHICLE_MODELS[self.vehicle.model].blocks[0].heights[0]
        top = 0.6 if self.height < 2 else 0.45 if self.height < 3 else 0.3
        up = np.array([low, low, top, top]) * self.height
        face = self.project(np.full(4, near), across, up)
        if self.detailed:
            bumper, plate = subdivide_quad(face, ((0.0, 0.0, 1.0, 0.2), (0.36, 0.3, 0.64, 0.5)))
            self.brush.fill([bumper], scale_color(self.vehicle.color, 0.42))
            self.brush.fill([plate], (40, 42, 46) if self.vehicle.oncoming else (214, 214, 206))
        self.draw_lights(
            subdivide_quad(face, FRONT_LIGHTS if self.vehicle.oncoming else REAR_LIGHTS)
        )

    def draw_lights(self, lights: Floats) -> None:
        """Paint the two lights of the visible end and, if they are on, their halos."""
        lit = self.vehicle.lights_on or self.vehicle.braking
        color = HEADLIGHT if self.vehicle.oncoming else TAILLIGHT
        self.brush.fill(lights, color if lit else scale_color(color, 0.75), glow=lit)
        if not lit or len(self.brush.frame) < self.view.height:
            return
        reach = self.view.focal * (0.34 if self.dark else 0.18) / self.vehicle.z
        halo = scale_color(color, 0.75 if self.dark else 0.3)
        for column, row in lights.mean(axis=1):
            self.brush.add_halo((float(column), float(row)), reach + 1, halo)


def find_visible_faces(faces: Floats) -> npt.NDArray[np.bool_]:
    """Return which quadrilaterals (n, 4, 2) face the camera: those counterclockwise on screen."""
    first, second = faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1]
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0)


def scale_color(color: Color, factor: float) -> Color:
    """Return a lighter or darker color."""
    red, green, blue = color
    return min(255.0, red * factor), min(255.0, green * factor), min(255.0, blue * factor)


def subdivide_quad(face: Floats, quads: Sequence[Quad] | Floats) -> Floats:
    """Return parts (n, 4, 2) of a quadrilateral.

    Args:
        face: Corners, (4, 2): lower left, lower right, upper right, upper left.
        quads: Parts, (n, 4): left, bottom, right, top, relative to the face.
    """
    shares = np.asarray(quads)[:, :, None]
    u, v = shares[:, (0, 2, 2, 0)], shares[:, (1, 1, 3, 3)]
    low = face[0] + (face[1] - face[0]) * u
    high = face[3] + (face[2] - face[3]) * u
    parts: Floats = low + (high - low) * v
    return parts

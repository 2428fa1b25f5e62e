"""Sampling the road: cross-section, lines, alignment and colors."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg_scenes.road import Camera, Color, Road, Strip, Surface
from bddseg_scenes.surface import Line

WORLD_EDGE = 2000.0  # meters; wider than any view
WHITE: Color = (232, 232, 226)
YELLOW: Color = (232, 178, 42)
TEXTURE_CELLS = 128
SETTINGS = ("city", "suburb", "highway", "country")


@dataclass(frozen=True, slots=True)
class Layout:
    """The cross-section of a road.

    Attributes:
        setting: One of `SETTINGS`.
        strips: Strips of ground, from left to right.
        lines: Lines along the road.
        forward_lanes: Number of lanes in the direction of the ego lane.
        oncoming_lanes: Number of lanes in the other direction.
        divided: A median separates the directions.
        parking: Vehicles park along the curb.
    """

    setting: str
    strips: tuple[Strip, ...]
    lines: tuple[Line, ...]
    forward_lanes: int
    oncoming_lanes: int
    divided: bool
    parking: bool

    @property
    def sides(self) -> tuple[float, float]:
        """Left and right offsets (meters) at which pavement and sidewalks end."""
        return self.strips[0].right, self.strips[-1].left


class StripBuilder:
    """Adds strips side by side.

    Args:
        start: Offset (meters) of the first edge.
        sign: 1 to add strips to the right, -1 to the left.
    """

    def __init__(self, start: float, sign: int) -> None:
        self.edge = start
        self.sign = sign
        self.strips: list[Strip] = []

    def add(self, kind: Surface, width: float) -> float:
        """Add a strip and return its outer edge (meters)."""
        outer = self.edge + self.sign * width
        self.strips.append(Strip(kind, min(self.edge, outer), max(self.edge, outer)))
        self.edge = outer
        return outer


def sample_layout(rng: np.random.Generator) -> Layout:
    """Sample a cross-section."""
    setting = str(rng.choice(SETTINGS, p=[0.36, 0.2, 0.26, 0.18]))
    lane_shares = {
        "city": [0.14, 0.4, 0.3, 0.13, 0.03],
        "suburb": [0.3, 0.5, 0.2, 0, 0],
        "highway": [0, 0.34, 0.36, 0.22, 0.08],
        "country": [0.5, 0.42, 0.08, 0, 0],
    }
    forward = int(rng.choice(5, p=lane_shares[setting])) + 1
    ego = int(rng.integers(forward))
    width = float(rng.uniform(3.0, 3.8))
    one_way = bool(rng.random() < {"city": 0.25, "suburb": 0.1}.get(setting, 0.0))
    oncoming = 0 if one_way else int(np.clip(forward + rng.integers(-1, 1), 1, 3))
    divided = bool(not one_way and rng.random() < {"highway": 1.0, "city": 0.3}.get(setting, 0.15))
    parking = bool(setting in ("city", "suburb") and rng.random() < 0.55)

    painter = LinePainter(rng, width)
    left, right = -(ego + 0.5) * width, (forward - ego - 0.5) * width
    lanes = StripBuilder(left, 1)
    for number in range(forward):
        kind = Surface.DIRECT if number == ego else Surface.ALTERNATIVE
        edge = lanes.add(kind, width)
        if number < forward - 1:
            painter.add_dashes(edge)
    rightward, leftward = StripBuilder(right, 1), StripBuilder(left, -1)
    painter.add_edge(right - 0.12, WHITE)
    add_side(rng, rightward, setting, parking)
    if oncoming:
        add_oncoming(rng, leftward, painter, oncoming, divided)
        add_side(rng, leftward, setting, parking)
    else:
        painter.add_edge(left + 0.12, painter.inner_color)
        add_side(rng, leftward, setting, parking and bool(rng.random() < 0.5))
    strips = (*leftward.strips[::-1], *lanes.strips, *rightward.strips)
    return Layout(setting, strips, tuple(painter.lines), forward, oncoming, divided, parking)


def add_oncoming(
    rng: np.random.Generator,
    builder: StripBuilder,
    painter: "LinePainter",
    count: int,
    divided: bool,
) -> None:
    """Add what separates the directions, and the oncoming lanes."""
    if divided:
        painter.add_edge(builder.edge + 0.12, YELLOW)
        builder.add(Surface.SHOULDER, rng.uniform(0.4, 1.6))
        builder.add(Surface.CURB, 0.2)
        builder.add(Surface.MEDIAN, rng.uniform(1.2, 6.0))
        builder.add(Surface.CURB, 0.2)
        painter.add_edge(builder.add(Surface.SHOULDER, rng.uniform(0.4, 1.2)) - 0.12, YELLOW)
    else:
        middle = builder.edge - 0.2
        builder.add(Surface.SHOULDER, 0.4)
        painter.add_line(middle - 0.13, YELLOW)
        painter.add_line(middle + 0.13, YELLOW)
    for number in range(count):
        edge = builder.add(Surface.ONCOMING, painter.lane_width)
        if number < count - 1:
            painter.add_dashes(edge)
    painter.add_edge(builder.edge + 0.12, WHITE)


def add_side(rng: np.random.Generator, builder: StripBuilder, setting: str, parking: bool) -> None:
    """Add shoulder, curb, sidewalk and verge."""
    urban = setting in ("city", "suburb")
    width = 2.5 if parking else rng.uniform(0.2, 0.8) if urban else rng.uniform(0.4, 2.6)
    builder.add(Surface.SHOULDER, width)
    if urban:
        builder.add(Surface.CURB, 0.22)
        builder.add(Surface.SIDEWALK, rng.uniform(1.6, 4.0))
    builder.add(Surface.VERGE, WORLD_EDGE)


class LinePainter:
    """Adds lines along the road, all in one sampled style."""

    def __init__(self, rng: np.random.Generator, lane_width: float) -> None:
        self.lane_width = lane_width
        self.lines: list[Line] = []
        self.inner_color = YELLOW if rng.random() < 0.6 else WHITE
        self.width = float(rng.uniform(0.12, 0.2))
        # Worn paint stays visible too: without it the classes of lanes are ambiguous.
        self.strength = float(rng.uniform(0.45, 1.0))
        self.edge_strength = self.strength * float(rng.choice([1.0, 0.6, 0.35], p=[0.7, 0.2, 0.1]))
        self.dash = float(rng.choice([3.0, 3.0, 4.0, 2.0]))
        self.gap = float(rng.uniform(4.5, 9.0))
        self.phase = float(rng.uniform(0, self.dash + self.gap))

    def add_line(self, s: float, color: Color) -> None:
        """Add a solid line between the directions."""
        self.lines.append(Line(s, color, self.width, max(self.strength, 0.6)))

    def add_edge(self, s: float, color: Color) -> None:
        """Add a solid line at the edge of the lanes."""
        self.lines.append(Line(s, color, self.width, self.edge_strength))

    def add_dashes(self, s: float) -> None:
        """Add a dashed line between lanes of one direction."""
        self.lines.append(
            Line(s, WHITE, self.width, self.strength, self.dash, self.gap, self.phase)
        )


def sample_camera(rng: np.random.Generator) -> Camera:
    """Sample the mounting and the focal length of the camera."""
    height, focal = rng.uniform(1.2, 1.8), rng.uniform(0.7, 1.0)
    return Camera(float(height), float(focal), float(rng.uniform(0.36, 0.49)))


def sample_road(rng: np.random.Generator, strips: tuple[Strip, ...], setting: str) -> Road:
    """Sample curvature and height profile."""
    max_curvature = {"city": 1 / 260, "suburb": 1 / 150, "highway": 1 / 300, "country": 1 / 130}[
        setting
    ]
    curvature = rng.uniform(-1, 1) * max_curvature if rng.random() < 0.65 else 0.0
    clothoid = rng.uniform(-1, 1) * max_curvature / 70 if rng.random() < 0.4 else 0.0
    hilly = rng.random() < 0.55
    crest = rng.uniform(-1 / 900, 1 / 1100) if hilly else 0.0
    crest_change = -crest * rng.uniform(0.0, 2.2) / 90 if hilly else 0.0
    return Road(
        offset=float(rng.uniform(-0.35, 0.35)),
        heading=float(rng.uniform(-0.02, 0.02)),
        curvature=float(curvature),
        clothoid=float(clothoid),
        crest=float(crest),
        crest_change=float(crest_change),
        strips=strips,
    )


def sample_colors(rng: np.random.Generator, setting: str) -> dict[Surface, Color]:
    """Sample the colors of the ground."""
    level = rng.uniform(62, 128)
    asphalt = vary_color(rng, (level, level, level + rng.uniform(-8, 6)), 3)
    grass = vary_color(rng, (88, 112, 56), 22)
    dirt = vary_color(rng, (150, 128, 98), 18)
    soft = grass if rng.random() < (0.85 if setting == "highway" else 0.7) else dirt
    stone = vary_color(rng, (158, 154, 146), 16)
    side = blend_colors(
        asphalt, vary_color(rng, (120, 116, 110), 12), float(rng.choice([0.0, 0.35, 0.6]))
    )
    return {
        Surface.DIRECT: asphalt,
        Surface.ALTERNATIVE: asphalt,
        Surface.OBJECT: asphalt,
        Surface.BLOCKED: asphalt,
        Surface.ONCOMING: asphalt,
        Surface.SHOULDER: side,
        Surface.MEDIAN: soft if rng.random() < 0.6 else blend_colors(stone, asphalt, 0.3),
        Surface.CURB: vary_color(rng, (176, 174, 168), 12),
        Surface.SIDEWALK: stone,
        Surface.VERGE: stone if setting == "city" and rng.random() < 0.6 else soft,
    }


def vary_color(rng: np.random.Generator, color: Color, spread: float) -> Color:
    """Sample a color near another one."""
    shared, separate = rng.uniform(-spread, spread), rng.uniform(-spread / 3, spread / 3, 3)
    red, green, blue = (
        float(np.clip(c + shared + o, 5, 250)) for c, o in zip(color, separate, strict=True)
    )
    return red, green, blue


def blend_colors(first: Color, second: Color, share: float) -> Color:
    """Return a mixture of two colors; a share of 1 gives the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def sample_texture(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Sample a tile of noise that repeats seamlessly, zero mean and unit deviation."""
    noise = rng.standard_normal((TEXTURE_CELLS, TEXTURE_CELLS)).astype(np.float32)
    margin = 8  # cells; with wrapped borders the blurred tile still repeats seamlessly
    wide = cv2.copyMakeBorder(noise, margin, margin, margin, margin, cv2.BORDER_WRAP)
    soft = cv2.GaussianBlur(wide, (0, 0), 1.0)[margin:-margin, margin:-margin]
    return np.ascontiguousarray(soft / soft.std(), np.float32)

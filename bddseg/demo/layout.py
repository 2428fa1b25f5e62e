"""Drawing the road at random: cross-section, alignment, colours and paint."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.demo.road import FAR, Band, Camera, Colour, Floats, Road, Surface
from bddseg.demo.surface import Line, Mark

WORLD_EDGE = 2000.0  # metres; wider than any view
WHITE: Colour = (232, 232, 226)
YELLOW: Colour = (232, 178, 42)
TAR: Colour = (44, 44, 46)
TEXTURE_CELLS = 128
PLACES = ("city", "suburb", "highway", "country")


@dataclass(frozen=True, slots=True)
class Layout:
    """The cross-section of a road: its strips and lines, and where its sides begin."""

    place: str
    bands: tuple[Band, ...]
    lines: tuple[Line, ...]
    own: int  # lanes of the own direction
    oncoming: int  # lanes of the other direction
    divided: bool  # by a median
    parking: bool

    @property
    def sides(self) -> tuple[float, float]:
        """Outer edges (metres) of the paving and the sidewalks, left and right."""
        return self.bands[0].right, self.bands[-1].left


class Strips:
    """Bands being laid side by side, away from a starting edge."""

    def __init__(self, start: float, sign: int) -> None:
        self.edge = start
        self.sign = sign
        self.bands: list[Band] = []

    def lay(self, kind: Surface, width: float) -> float:
        """Add a strip and return its outer edge (metres)."""
        outer = self.edge + self.sign * width
        self.bands.append(Band(kind, min(self.edge, outer), max(self.edge, outer)))
        self.edge = outer
        return outer


def draw_layout(rng: np.random.Generator) -> Layout:
    """Draw a cross-section."""
    place = str(rng.choice(PLACES, p=[0.36, 0.2, 0.26, 0.18]))
    shares = {
        "city": [0.14, 0.4, 0.3, 0.13, 0.03],
        "suburb": [0.3, 0.5, 0.2, 0, 0],
        "highway": [0, 0.34, 0.36, 0.22, 0.08],
        "country": [0.5, 0.42, 0.08, 0, 0],
    }
    own = int(rng.choice(5, p=shares[place])) + 1
    ego = int(rng.integers(own))
    width = float(rng.uniform(3.0, 3.8))
    oneway = bool(rng.random() < {"city": 0.25, "suburb": 0.1}.get(place, 0.0))
    oncoming = 0 if oneway else int(np.clip(own + rng.integers(-1, 1), 1, 3))
    divided = bool(not oneway and rng.random() < {"highway": 1.0, "city": 0.3}.get(place, 0.15))
    parking = bool(place in ("city", "suburb") and rng.random() < 0.55)

    paint = Painter(rng, width)
    left, right = -(ego + 0.5) * width, (own - ego - 0.5) * width
    lanes = Strips(left, 1)
    for number in range(own):
        kind = Surface.DIRECT if number == ego else Surface.ALTERNATIVE
        edge = lanes.lay(kind, width)
        if number < own - 1:
            paint.add_dashes(edge)
    rightward, leftward = Strips(right, 1), Strips(left, -1)
    paint.add_edge(right - 0.12, WHITE)
    lay_side(rng, rightward, place, parking)
    if oncoming:
        lay_oncoming(rng, leftward, paint, oncoming, divided)
        lay_side(rng, leftward, place, parking)
    else:
        paint.add_edge(left + 0.12, paint.inner)
        lay_side(rng, leftward, place, parking and bool(rng.random() < 0.5))
    bands = (*leftward.bands[::-1], *lanes.bands, *rightward.bands)
    return Layout(place, bands, tuple(paint.lines), own, oncoming, divided, parking)


def lay_oncoming(
    rng: np.random.Generator, strips: Strips, paint: "Painter", count: int, divided: bool
) -> None:
    """Lay the separation and the lanes of the other direction."""
    if divided:
        paint.add_edge(strips.edge + 0.12, YELLOW)
        strips.lay(Surface.SHOULDER, rng.uniform(0.4, 1.6))
        strips.lay(Surface.KERB, 0.2)
        strips.lay(Surface.MEDIAN, rng.uniform(1.2, 6.0))
        strips.lay(Surface.KERB, 0.2)
        paint.add_edge(strips.lay(Surface.SHOULDER, rng.uniform(0.4, 1.2)) - 0.12, YELLOW)
    else:
        middle = strips.edge - 0.2
        strips.lay(Surface.SHOULDER, 0.4)
        paint.add_line(middle - 0.13, YELLOW)
        paint.add_line(middle + 0.13, YELLOW)
    for number in range(count):
        edge = strips.lay(Surface.ONCOMING, paint.lane_width)
        if number < count - 1:
            paint.add_dashes(edge)
    paint.add_edge(strips.edge + 0.12, WHITE)


def lay_side(rng: np.random.Generator, strips: Strips, place: str, parking: bool) -> None:
    """Lay shoulder, kerb, sidewalk and verge."""
    urban = place in ("city", "suburb")
    wide = 2.5 if parking else rng.uniform(0.2, 0.8) if urban else rng.uniform(0.4, 2.6)
    strips.lay(Surface.SHOULDER, wide)
    if urban:
        strips.lay(Surface.KERB, 0.22)
        strips.lay(Surface.SIDEWALK, rng.uniform(1.6, 4.0))
    strips.lay(Surface.VERGE, WORLD_EDGE)


class Painter:
    """Adds lines in the style drawn for one road."""

    def __init__(self, rng: np.random.Generator, lane_width: float) -> None:
        self.lane_width = lane_width
        self.lines: list[Line] = []
        self.inner = YELLOW if rng.random() < 0.6 else WHITE
        self.width = float(rng.uniform(0.12, 0.2))
        # even worn paint stays visible: it decides which lane is whose
        self.strength = float(rng.uniform(0.45, 1.0))
        self.edge_strength = self.strength * float(rng.choice([1.0, 0.6, 0.35], p=[0.7, 0.2, 0.1]))
        self.dash = float(rng.choice([3.0, 3.0, 4.0, 2.0]))
        self.gap = float(rng.uniform(4.5, 9.0))
        self.phase = float(rng.uniform(0, self.dash + self.gap))

    def add_line(self, s: float, colour: Colour) -> None:
        """Add a solid line that separates the directions."""
        self.lines.append(Line(s, colour, self.width, max(self.strength, 0.6)))

    def add_edge(self, s: float, colour: Colour) -> None:
        """Add the solid line at the edge of the lanes."""
        self.lines.append(Line(s, colour, self.width, self.edge_strength))

    def add_dashes(self, s: float) -> None:
        """Add the dashed line between lanes of the same direction."""
        self.lines.append(
            Line(s, WHITE, self.width, self.strength, self.dash, self.gap, self.phase)
        )


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw where the camera is fixed and how it looks."""
    height, focal = rng.uniform(1.2, 1.8), rng.uniform(0.7, 1.0)
    return Camera(float(height), float(focal), float(rng.uniform(0.36, 0.49)))


def draw_road(rng: np.random.Generator, bands: tuple[Band, ...], place: str) -> Road:
    """Draw bend and profile for a cross-section."""
    tightest = {"city": 1 / 260, "suburb": 1 / 150, "highway": 1 / 300, "country": 1 / 130}[place]
    bend = rng.uniform(-1, 1) * tightest if rng.random() < 0.65 else 0.0
    change = rng.uniform(-1, 1) * tightest / 70 if rng.random() < 0.4 else 0.0
    hilly = rng.random() < 0.55
    crest = rng.uniform(-1 / 900, 1 / 1100) if hilly else 0.0
    crest_change = -crest * rng.uniform(0.0, 2.2) / 90 if hilly else 0.0
    return Road(
        offset=float(rng.uniform(-0.35, 0.35)),
        heading=float(rng.uniform(-0.02, 0.02)),
        curvature=float(bend),
        clothoid=float(change),
        crest=float(crest),
        crest_change=float(crest_change),
        bands=bands,
    )


def draw_colours(rng: np.random.Generator, place: str) -> dict[Surface, Colour]:
    """Draw the colours of the ground."""
    grey = rng.uniform(62, 128)
    asphalt = vary(rng, (grey, grey, grey + rng.uniform(-8, 6)), 3)
    grass = vary(rng, (88, 112, 56), 22)
    dirt = vary(rng, (150, 128, 98), 18)
    soft = grass if rng.random() < (0.85 if place == "highway" else 0.7) else dirt
    stone = vary(rng, (158, 154, 146), 16)
    side = mix(asphalt, vary(rng, (120, 116, 110), 12), float(rng.choice([0.0, 0.35, 0.6])))
    return {
        Surface.DIRECT: asphalt,
        Surface.ALTERNATIVE: asphalt,
        Surface.OBJECT: asphalt,
        Surface.BLOCKED: asphalt,
        Surface.ONCOMING: asphalt,
        Surface.SHOULDER: side,
        Surface.MEDIAN: soft if rng.random() < 0.6 else mix(stone, asphalt, 0.3),
        Surface.KERB: vary(rng, (176, 174, 168), 12),
        Surface.SIDEWALK: stone,
        Surface.VERGE: stone if place == "city" and rng.random() < 0.6 else soft,
    }


def vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Draw a colour near another one."""
    shared, own = rng.uniform(-spread, spread), rng.uniform(-spread / 3, spread / 3, 3)
    red, green, blue = (
        float(np.clip(c + shared + o, 5, 250)) for c, o in zip(colour, own, strict=True)
    )
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours; a share of 1 gives the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def draw_texture(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw a repeating tile of noise, zero mean and unit deviation."""
    noise = rng.standard_normal((TEXTURE_CELLS, TEXTURE_CELLS)).astype(np.float32)
    margin = 8  # cells; wrapped around so that the blurred tile still repeats
    wide = cv2.copyMakeBorder(noise, margin, margin, margin, margin, cv2.BORDER_WRAP)
    soft = cv2.GaussianBlur(wide, (0, 0), 1.0)[margin:-margin, margin:-margin]
    return np.ascontiguousarray(soft / soft.std(), np.float32)


def draw_patches(rng: np.random.Generator, layout: Layout, asphalt: Colour) -> list[Mark]:
    """Draw repairs, tar seams and covers, which lie under the paint."""
    left, right = find_paving(layout)
    marks = []
    for _ in range(int(rng.integers(0, 5))):  # repaired rectangles
        s, z = rng.uniform(left, right), rng.uniform(4, 45)
        wide, long = rng.uniform(0.6, 2.6), rng.uniform(1.5, 12)
        tone = rng.uniform(0.72, 1.2)
        colour = (asphalt[0] * tone, asphalt[1] * tone, asphalt[2] * tone)
        marks.append(Mark(outline_rectangle(s, min(s + wide, right), z, z + long), colour, 1.0))
    for _ in range(int(rng.choice([0, 0, 2, 5, 9]))):  # wandering seams
        along = rng.uniform(3, 30) + np.linspace(0, rng.uniform(4, 22), 7)
        across = rng.uniform(left, right) + np.cumsum(rng.normal(0, 0.18, 7))
        edge = np.stack([across, along], -1)
        seam = np.concatenate([edge, edge[::-1] + np.array([0.06, 0.0])])
        marks.append(Mark(np.clip(seam, (left, 0), (right, FAR)), TAR, 0.7))
    for _ in range(int(rng.choice([0, 0, 1, 2]))):  # covers
        turn = np.linspace(0, 2 * np.pi, 13)[:-1]
        centre = np.array([rng.uniform(left + 0.5, right - 0.5), rng.uniform(5, 30)])
        cover = centre + 0.34 * np.stack([np.cos(turn), np.sin(turn)], -1)
        marks.append(Mark(cover, (58, 56, 54), 0.9))
    return marks


def draw_marks(rng: np.random.Generator, layout: Layout) -> list[Mark]:
    """Draw what is painted across lanes: stop lines, crossings, arrows."""
    marks: list[Mark] = []
    strength = float(rng.uniform(0.5, 1.0))
    lanes = [b for b in layout.bands if b.kind in (Surface.DIRECT, Surface.ALTERNATIVE)]
    left, right = lanes[0].left, lanes[-1].right
    urban = layout.place in ("city", "suburb")
    z = float(rng.uniform(7, 40))
    if urban and rng.random() < 0.25:
        stop = outline_rectangle(left + 0.2, right - 0.2, z, z + 0.5)
        marks.append(Mark(stop, WHITE, strength))
        bars = np.arange(find_paving(layout)[0] + 0.4, right - 0.4, 1.0)
        marks += [
            Mark(outline_rectangle(s, s + 0.5, z + 1.6, z + 4.8), WHITE, strength) for s in bars
        ]
    if rng.random() < 0.22:
        z = float(rng.uniform(6, 26))
        marks += [Mark(outline_arrow(lane.middle, z), WHITE, strength) for lane in lanes]
    return marks


def find_paving(layout: Layout) -> tuple[float, float]:
    """Outer edges (metres) of the lanes that share one pavement with the ego lane."""
    kinds = [Surface.DIRECT, Surface.ALTERNATIVE]
    if not layout.divided:
        kinds.append(Surface.ONCOMING)
    lanes = [band for band in layout.bands if band.kind in kinds]
    return lanes[0].left, lanes[-1].right


def outline_rectangle(left: float, right: float, near: float, far: float) -> Floats:
    """Rectangle on the ground, with points between so that it follows a bend."""
    z = np.linspace(near, far, 4)
    return np.concatenate(
        [np.stack([np.full(4, left), z], -1), np.stack([np.full(4, right), z[::-1]], -1)]
    )


def outline_arrow(s: float, z: float) -> Floats:
    """Arrow straight ahead, 4.5 m long."""
    half = np.array([(-0.08, 0), (-0.08, 2.6), (-0.4, 2.6), (0, 4.5)])
    other = half[-2::-1] * (-1, 1)
    outline: Floats = np.concatenate([half, other]) + np.array([s, z])
    return outline

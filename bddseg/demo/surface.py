"""The ground: lanes, verges, markings and their truth, from world coordinates per pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.demo.canvas import SUBPIXEL_BITS, Shapes, fix_points
from bddseg.demo.road import FAR, NEAR, PAVED, Colour, Floats, Surface, View
from bddseg.demo.weather import BEAM_REACH, Image, Weather

Texture = npt.NDArray[np.float32]  # also light and places, one value a ground pixel
FINE_GRAIN = 24.0  # texture cells per metre
COARSE_GRAIN = 1.3
NEUTRAL = 64  # grey level of unchanged light; 255 is four times as bright
ROUGHNESS = {Surface.VERGE: 2.6, Surface.MEDIAN: 1.8}  # texture contrast; others have 1


@dataclass(frozen=True, slots=True)
class Line:
    """A painted line along the road."""

    s: float  # metres
    colour: Colour
    width: float  # metres
    strength: float  # 1 fresh paint, 0 gone
    dash: float = FAR  # metres
    gap: float = 0.0  # metres
    phase: float = 0.0  # metres


@dataclass(frozen=True, slots=True)
class Mark:
    """A convex or simple polygon on the ground, such as an arrow or a tar patch."""

    outline: Floats  # (n, 2) of (s, z), metres
    colour: Colour
    strength: float


@dataclass(frozen=True, slots=True)
class Shade:
    """A shadow (light < 0) or a pool of light (light > 0) on the ground."""

    outline: Floats  # (n, 2) of (s, z), metres
    light: float  # change of the light, as a factor less 1


@dataclass(frozen=True, slots=True)
class Pavement:
    """Colours, texture and paint of the ground."""

    colours: Mapping[Surface, Colour]
    texture: Texture  # square tile, zero mean, about unit deviation
    contrast: float  # of the texture
    lines: tuple[Line, ...]
    patches: tuple[Mark, ...]  # under the paint
    marks: tuple[Mark, ...]
    shades: tuple[Shade, ...]


def map_surface(view: View) -> Image:
    """Surface of every ground pixel, (rows from view.top, width)."""
    bands = view.road.bands
    columns = np.arange(view.width, dtype=np.float32)
    index = np.zeros((len(view.z), view.width), np.uint8)
    for band in bands[1:]:
        index += columns >= view.find_columns(band.left).astype(np.float32)[:, None]
    kinds = np.zeros(256, np.uint8)
    kinds[: len(bands)] = [band.kind for band in bands]
    surface = np.asarray(cv2.LUT(index, kinds), np.uint8)
    for number, band in enumerate(bands):
        if band.kind in (Surface.DIRECT, Surface.ALTERNATIVE):
            rows = np.count_nonzero(view.z >= band.end)  # the distance falls from row to row
            surface[:rows][index[:rows] == number] = Surface.BLOCKED
    return surface


def paint_ground(view: View, pavement: Pavement, weather: Weather, surface: Image) -> Image:
    """Frame rows from view.top down, lit and hazed."""
    albedo = apply_palette(surface, [pavement.colours[kind] for kind in Surface])
    paint_marks(albedo, view, pavement, pavement.patches)
    paint_lines(albedo, view, pavement)
    paint_marks(albedo, view, pavement, pavement.marks)
    light = light_ground(view, weather) * shade_ground(view, pavement.shades)
    light *= 1 + texture_ground(view, pavement, surface)
    haze = weather.find_haze(view.z).astype(np.float32)[:, None]
    light *= 1 - haze
    lit = albedo * light[..., None]
    lit *= tint_light(weather)
    lit += haze[..., None] * np.array(weather.skyline, np.float32)
    return np.asarray(np.clip(lit, 0, 255, out=lit).astype(np.uint8))


def apply_palette(index: Image, colours: Sequence[Colour]) -> Image:
    """Image of the colours numbered by index."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = np.clip(colours, 0, 255)
    return np.asarray(cv2.merge([cv2.LUT(index, table[:, channel]) for channel in range(3)]))


def mix_paint(colour: Colour, strength: float, pavement: Pavement) -> Colour:
    """Colour of worn paint: between the paint and the bare road."""
    bare = pavement.colours[Surface.DIRECT]
    red, green, blue = (
        c * strength + b * (1 - strength) for c, b in zip(colour, bare, strict=True)
    )
    return red, green, blue


def paint_marks(albedo: Image, view: View, pavement: Pavement, marks: Sequence[Mark]) -> None:
    """Paint arrows, patches and the like."""
    shapes = project_outlines(view, [mark.outline for mark in marks])
    for mark, shape in zip(marks, shapes, strict=True):
        fill_ground(albedo, view, [shape], mix_paint(mark.colour, mark.strength, pavement))


def paint_lines(albedo: Image, view: View, pavement: Pavement) -> None:
    """Paint the lines along the road."""
    for line in pavement.lines:
        colour = mix_paint(line.colour, line.strength, pavement)
        left, right = line.s - line.width / 2, line.s + line.width / 2
        if line.gap:
            near = np.arange(NEAR - line.phase, FAR, line.dash + line.gap)
            near = near[[view.find_cover(z + line.dash) == view.height for z in near]]
            z = near[:, None] + np.array([0.0, line.dash, line.dash, 0.0])
            fill_ground(albedo, view, view.project(np.array([left, left, right, right]), z), colour)
        else:
            fill_ground(albedo, view, [view.find_strip(left, right)], colour)


def project_outlines(view: View, outlines: Sequence[Floats]) -> list[Floats]:
    """Pixels of polygons on the ground; those a crest hides become empty."""
    if not outlines:
        return []
    points = np.concatenate(outlines)
    pixels = view.project(points[:, 0], points[:, 1])
    shapes = np.split(pixels, np.cumsum([len(outline) for outline in outlines])[:-1])
    return [
        shape if view.find_cover(float(outline[:, 1].max())) == view.height else shape[:0]
        for shape, outline in zip(shapes, outlines, strict=True)
    ]


def fill_ground(image: Image, view: View, shapes: Shapes, colour: Colour) -> None:
    """Fill polygons (pixels of the whole frame) in an image that begins at view.top."""
    shift = np.array([0, view.top])
    array = isinstance(shapes, np.ndarray)
    points = fix_points(shapes - shift if array else [shape - shift for shape in shapes])
    if points:
        cv2.fillPoly(image, points, colour, cv2.LINE_AA, SUBPIXEL_BITS)


def tint_light(weather: Weather) -> Texture:
    """Colour of the ambient light, with a mean of 1."""
    ambient = np.array(weather.ambient)
    return np.asarray(ambient / ambient.mean(), np.float32)


def light_ground(view: View, weather: Weather) -> Texture:
    """Brightness by daylight and the own headlights."""
    slope = (np.arange(view.width) - view.middle) / view.focal
    across = np.exp(-((2.2 * slope) ** 2)).astype(np.float32)
    along: Floats = weather.headlights * np.exp(-view.z / BEAM_REACH) * (1 - np.exp(-view.z / 5))
    ambient = np.float32(np.mean(weather.ambient))
    return np.asarray(ambient + along.astype(np.float32)[:, None] * across)


def shade_ground(view: View, shades: Sequence[Shade]) -> Texture:
    """Factor on the light by shadows and pools of light, with soft edges."""
    layer = np.full((len(view.z), view.width), NEUTRAL, np.uint8)
    shapes = project_outlines(view, [shade.outline for shade in shades])
    for shade, shape in zip(shades, shapes, strict=True):
        level = min(NEUTRAL * (1 + shade.light), 255.0)
        fill_ground(layer, view, [shape], (level, level, level))
    soft = cv2.blur(layer, (max(1, view.width // 200), max(1, view.height // 300)))
    return np.asarray(soft, np.float32) / np.float32(NEUTRAL)


def texture_ground(view: View, pavement: Pavement, surface: Image) -> Texture:
    """Relative brightness changes by the grain and the patches of the ground."""
    scale = 1 / np.hypot(1.0, view.road.find_slope(view.z))
    step = view.z / view.focal * scale  # metres a column
    start = -view.middle * step - view.road.find_centre(view.z) * scale
    columns = np.arange(view.width, dtype=np.float32)
    s: Texture = start.astype(np.float32)[:, None] + step.astype(np.float32)[:, None] * columns
    z: Texture = np.repeat(view.z.astype(np.float32)[:, None], view.width, axis=1)
    fade = (1 / (1 + view.z / 9)).astype(np.float32)[:, None]  # the grain blurs with distance
    fine = sample_texture(pavement.texture, s * FINE_GRAIN, z * (FINE_GRAIN / 2))
    coarse = sample_texture(pavement.texture, s * COARSE_GRAIN, z * (COARSE_GRAIN / 4))
    fine *= fade
    fine += coarse * 0.6
    gains = np.array([ROUGHNESS.get(kind, 1.0) for kind in Surface]) * pavement.contrast
    lookup = np.zeros(256, np.float32)
    lookup[: len(gains)] = gains
    return fine * np.asarray(cv2.LUT(surface, lookup), np.float32)


def sample_texture(texture: Texture, x: Texture, y: Texture) -> Texture:
    """Sample a repeating texture."""
    sampled = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(sampled, np.float32)


def is_paved(surface: Image) -> npt.NDArray[np.bool_]:
    """Where the pavement is visible."""
    return np.isin(surface, PAVED)

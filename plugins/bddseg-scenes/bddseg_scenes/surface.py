"""The ground: which surface each pixel shows, and its color."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.types import BinaryMask, Image
from bddseg_scenes.canvas import SUBPIXEL_BITS, Shapes, quantize_polygons
from bddseg_scenes.road import DRIVABLE, FAR, NEAR, PAVED, Color, Floats, Surface, View
from bddseg_scenes.weather import BEAM_REACH, Weather

Texture = npt.NDArray[np.float32]  # a texture tile, or one value for each pixel of the ground
FINE_GRAIN = 24.0  # texture cells per meter
COARSE_GRAIN = 1.3  # texture cells per meter
NEUTRAL = 64  # grey level for unchanged light; 255 is four times as bright
# Factors on the contrast of the texture; 1 for other surfaces.
ROUGHNESS = {
    Surface.VERGE: 2.6,
    Surface.MEDIAN: 1.8,
}


@dataclass(frozen=True, slots=True)
class Line:
    """A painted line along the road."""

    s: float  # meters
    color: Color
    width: float  # meters
    strength: float  # opacity of the paint, 0 to 1
    dash: float = FAR  # meters, length of a dash
    gap: float = 0.0  # meters between dashes; 0 for a solid line
    phase: float = 0.0  # meters by which dashes are shifted towards the camera


@dataclass(frozen=True, slots=True)
class GroundPolygon:
    """A simple polygon on the ground, such as an arrow or a repaired area."""

    outline: Floats  # (n, 2) of (s, z), meters
    color: Color
    strength: float  # opacity of the paint, 0 to 1


@dataclass(frozen=True, slots=True)
class LightPatch:
    """A shadow (light < 0) or a pool of light (light > 0) on the ground."""

    outline: Floats  # (n, 2) of (s, z), meters
    light: float  # factor on the light, minus 1


@dataclass(frozen=True, slots=True)
class Pavement:
    """Colors, texture and paint of the ground."""

    colors: Mapping[Surface, Color]
    texture: Texture  # square tile, zero mean, unit deviation
    contrast: float  # contrast of the texture
    lines: tuple[Line, ...]
    repairs: tuple[GroundPolygon, ...]  # painted below lines and markings
    markings: tuple[GroundPolygon, ...]
    light_patches: tuple[LightPatch, ...]


def map_surface(view: View) -> Image:
    """Return the `Surface` of each pixel of the ground, (rows from `view.top` on, W), uint8."""
    strips = view.road.strips
    columns = np.arange(view.width, dtype=np.float32)
    index = np.zeros((len(view.z), view.width), np.uint8)
    for strip in strips[1:]:
        index += columns >= view.find_columns(strip.left).astype(np.float32)[:, None]
    kinds = np.zeros(256, np.uint8)
    kinds[: len(strips)] = [strip.kind for strip in strips]
    surface = np.asarray(cv2.LUT(index, kinds), np.uint8)
    for number, strip in enumerate(strips):
        if strip.kind in DRIVABLE:
            rows = np.count_nonzero(view.z >= strip.end)  # the distance decreases from row to row
            surface[:rows][index[:rows] == number] = Surface.BLOCKED
    return surface


def paint_ground(view: View, pavement: Pavement, weather: Weather, surface: Image) -> Image:
    """Return the rows of the frame from `view.top` on, with light and haze."""
    albedo = apply_palette(surface, [pavement.colors[kind] for kind in Surface])
    paint_polygons(albedo, view, pavement, pavement.repairs)
    paint_lines(albedo, view, pavement)
    paint_polygons(albedo, view, pavement, pavement.markings)
    light = light_ground(view, weather) * shade_ground(view, pavement.light_patches)
    light *= 1 + texture_ground(view, pavement, surface)
    haze = weather.compute_haze(view.z).astype(np.float32)[:, None]
    light *= 1 - haze
    lit = albedo * light[..., None]
    lit *= tint_light(weather)
    lit += haze[..., None] * np.array(weather.skyline, np.float32)
    return np.asarray(np.clip(lit, 0, 255, out=lit).astype(np.uint8))


def apply_palette(index: Image, colors: Sequence[Color]) -> Image:
    """Return an image with the color of each index."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = np.clip(colors, 0, 255)
    return np.asarray(cv2.merge([cv2.LUT(index, table[:, channel]) for channel in range(3)]))


def blend_paint(color: Color, strength: float, pavement: Pavement) -> Color:
    """Return the color of worn paint, between that of the paint and that of the road."""
    bare = pavement.colors[Surface.DIRECT]
    red, green, blue = (c * strength + b * (1 - strength) for c, b in zip(color, bare, strict=True))
    return red, green, blue


def paint_polygons(
    albedo: Image, view: View, pavement: Pavement, polygons: Sequence[GroundPolygon]
) -> None:
    """Paint polygons on the ground, such as arrows and repaired areas."""
    shapes = project_outlines(view, [polygon.outline for polygon in polygons])
    for polygon, shape in zip(polygons, shapes, strict=True):
        fill_ground(albedo, view, [shape], blend_paint(polygon.color, polygon.strength, pavement))


def paint_lines(albedo: Image, view: View, pavement: Pavement) -> None:
    """Paint the lines along the road."""
    for line in pavement.lines:
        color = blend_paint(line.color, line.strength, pavement)
        left, right = line.s - line.width / 2, line.s + line.width / 2
        if line.gap:
            near = np.arange(NEAR - line.phase, FAR, line.dash + line.gap)
            near = near[[view.find_occlusion_row(z + line.dash) == view.height for z in near]]
            z = near[:, None] + np.array([0.0, line.dash, line.dash, 0.0])
            fill_ground(albedo, view, view.project(np.array([left, left, right, right]), z), color)
        else:
            fill_ground(albedo, view, [view.project_strip(left, right)], color)


def project_outlines(view: View, outlines: Sequence[Floats]) -> list[Floats]:
    """Return pixels of polygons on the ground; polygons that a crest hides become empty."""
    if not outlines:
        return []
    points = np.concatenate(outlines)
    pixels = view.project(points[:, 0], points[:, 1])
    shapes = np.split(pixels, np.cumsum([len(outline) for outline in outlines])[:-1])
    return [
        shape if view.find_occlusion_row(float(outline[:, 1].max())) == view.height else shape[:0]
        for shape, outline in zip(shapes, outlines, strict=True)
    ]


def fill_ground(image: Image, view: View, shapes: Shapes, color: Color) -> None:
    """Fill polygons (pixels of the whole frame) in an image of the rows from `view.top` on."""
    shift = np.array([0, view.top])
    is_array = isinstance(shapes, np.ndarray)
    points = quantize_polygons(shapes - shift if is_array else [each - shift for each in shapes])
    if points:
        cv2.fillPoly(image, points, color, cv2.LINE_AA, SUBPIXEL_BITS)


def tint_light(weather: Weather) -> Texture:
    """Return the color of the ambient light, scaled to a mean of 1."""
    ambient = np.array(weather.ambient)
    return np.asarray(ambient / ambient.mean(), np.float32)


def light_ground(view: View, weather: Weather) -> Texture:
    """Return the brightness by ambient light and headlights, one value for each pixel."""
    slope = (np.arange(view.width) - view.center) / view.focal
    across = np.exp(-((2.2 * slope) ** 2)).astype(np.float32)
    along: Floats = weather.headlights * np.exp(-view.z / BEAM_REACH) * (1 - np.exp(-view.z / 5))
    ambient = np.float32(np.mean(weather.ambient))
    return np.asarray(ambient + along.astype(np.float32)[:, None] * across)


def shade_ground(view: View, patches: Sequence[LightPatch]) -> Texture:
    """Return the factor of shadows and pools of light, with soft edges."""
    layer = np.full((len(view.z), view.width), NEUTRAL, np.uint8)
    shapes = project_outlines(view, [patch.outline for patch in patches])
    for patch, shape in zip(patches, shapes, strict=True):
        level = min(NEUTRAL * (1 + patch.light), 255.0)
        fill_ground(layer, view, [shape], (level, level, level))
    soft = cv2.blur(layer, (max(1, view.width // 200), max(1, view.height // 300)))
    return np.asarray(soft, np.float32) / np.float32(NEUTRAL)


def texture_ground(view: View, pavement: Pavement, surface: Image) -> Texture:
    """Return the relative change of brightness by the texture of the ground."""
    scale = 1 / np.hypot(1.0, view.road.find_slope(view.z))
    step = view.z / view.focal * scale  # meters per column
    start = -view.center * step - view.road.find_center(view.z) * scale
    columns = np.arange(view.width, dtype=np.float32)
    s: Texture = start.astype(np.float32)[:, None] + step.astype(np.float32)[:, None] * columns
    z: Texture = np.repeat(view.z.astype(np.float32)[:, None], view.width, axis=1)
    fade = (1 / (1 + view.z / 9)).astype(np.float32)[:, None]  # fine texture fades with distance
    fine = look_up_texture(pavement.texture, s * FINE_GRAIN, z * (FINE_GRAIN / 2))
    coarse = look_up_texture(pavement.texture, s * COARSE_GRAIN, z * (COARSE_GRAIN / 4))
    fine *= fade
    fine += coarse * 0.6
    gains = np.array([ROUGHNESS.get(kind, 1.0) for kind in Surface]) * pavement.contrast
    table = np.zeros(256, np.float32)
    table[: len(gains)] = gains
    return fine * np.asarray(cv2.LUT(surface, table), np.float32)


def look_up_texture(texture: Texture, x: Texture, y: Texture) -> Texture:
    """Return the interpolated values of a texture that repeats."""
    sampled = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(sampled, np.float32)


def find_paved(surface: Image) -> BinaryMask:
    """Return where the pavement is visible, (H, W), bool."""
    return np.isin(surface, PAVED)

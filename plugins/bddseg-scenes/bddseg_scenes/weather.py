"""Light, haze, rain, and the effects of the camera."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from bddseg.data.image import encode_jpeg
from bddseg.types import BinaryMask, Image
from bddseg_scenes.road import Color, Floats

BEAM_REACH = 32.0  # meters over which the light of the headlights falls to 1/e
NOISE_TILE = 256  # pixels; period of the camera noise


@dataclass(frozen=True, slots=True)
class Light:
    """Light at one position, and the haze between it and the camera."""

    gains: Color  # factors on the colors of objects
    haze_color: Color
    haze: float  # opacity of the haze, 0 to 1

    def apply(self, color: Color, glow: bool = False) -> Color:
        """Return the color of an object as the camera sees it; `glow` marks sources of light."""
        haze = self.haze * (0.5 if glow else 1.0)  # lamps shine through haze
        clear = 1 - haze
        (red, green, blue), (haze_red, haze_green, haze_blue) = color, self.haze_color
        if not glow:
            gains = self.gains
            red, green, blue = red * gains[0], green * gains[1], blue * gains[2]
        return (
            min(255.0, red) * clear + haze_red * haze,
            min(255.0, green) * clear + haze_green * haze,
            min(255.0, blue) * clear + haze_blue * haze,
        )


@dataclass(frozen=True, slots=True)
class Weather:
    """Light and weather of a scene; colors are RGB, 0 to 255."""

    time: str  # "day", "dusk" or "night"
    ambient: Color  # factors on the colors of objects
    zenith: Color  # color of the sky at the zenith
    skyline: Color  # color of the sky at the horizon, and of the haze
    extinction: float  # 1/meter, density of the haze
    headlights: float  # brightness of the camera vehicle's headlights
    shadow: float  # share of the light that shadows remove; 0 without sun
    sun: float  # meters that a shadow extends to the right per meter of height
    rain: float  # 0 (none) to 1 (heavy)
    wetness: float  # 0 (dry) to 1 (mirror)

    @property
    def dark(self) -> bool:
        """It is night: lamps light the scene."""
        return self.time == "night"

    def compute_haze(self, z: Floats) -> Floats:
        """Return the opacity of the haze (0 to 1) over z meters."""
        haze: Floats = 1 - np.exp(-self.extinction * z)
        return haze

    def light_at(self, x: float, z: float) -> Light:
        """Return the light on objects x meters to the right and z meters ahead."""
        z = max(z, 1.0)
        spread = 2.2 * x / z
        beam = self.headlights * math.exp(-z / BEAM_REACH - spread * spread)
        red, green, blue = self.ambient
        gains = (red + beam, green + beam, blue + beam)
        return Light(gains, self.skyline, 1 - math.exp(-self.extinction * z))


@dataclass(frozen=True, slots=True)
class CameraEffects:
    """Effects of the camera: exposure, color cast, blur, noise and compression."""

    gains: Color
    gamma: float
    blur: float  # sigma / image width
    noise: float  # sigma in grey levels
    quality: int  # quality of JPEG compression; 100 for none


@dataclass(frozen=True, slots=True)
class RainStreaks:
    """Falling rain as short lines, relative to the image size."""

    starts: Floats  # (n, 2)
    lengths: Floats  # (n,)
    slant: float  # horizontal shift / vertical length


def draw_rain(frame: Image, rain_streaks: RainStreaks, weather: Weather) -> None:
    """Blend rain streaks into the frame."""
    if not len(rain_streaks.starts):
        return
    height, width = frame.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    starts = rain_streaks.starts * (width, height)
    ends = starts + rain_streaks.lengths[:, None] * height * np.array([rain_streaks.slant, 1.0])
    lines = np.round(np.stack([starts, ends], axis=1) * 16).astype(np.int32)
    cv2.polylines(layer, list(lines), False, 255, 1, cv2.LINE_AA, shift=4)
    brightness = 120 if weather.dark else 225
    strength = (0.14 + 0.14 * weather.rain) * min(1.0, height / 400)
    wet = layer > 0
    alpha = layer[wet][:, None] * (strength / 255)
    frame[wet] = (frame[wet] * (1 - alpha) + brightness * alpha).astype(np.uint8)


def draw_reflections(frame: Image, paved: BinaryMask, top: int, wetness: float) -> None:
    """Mirror the rows above `top` in the wet pavement below, blurred vertically."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (max(width // 4, 8), max(height // 4, 8)))
    mirror_row = top * small.shape[0] // height
    depth = small.shape[0] - mirror_row
    source = small[np.clip(mirror_row - np.arange(depth), 0, None)]
    blurred = cv2.blur(source, (3, max(3, height // 24) | 1))
    mirror = cv2.resize(blurred, (width, height - top)).astype(np.float32)
    share = np.float32(0.45 * wetness) * paved[top:, :, None]
    ground = frame[top:] * (1 - np.float32(0.7) * share)  # water darkens the pavement
    frame[top:] = np.minimum(ground + share * mirror, 255).astype(np.uint8)


def apply_camera_effects(frame: Image, effects: CameraEffects, noise: np.random.Generator) -> Image:
    """Return the frame with blur, exposure, noise and JPEG compression."""
    height, width = frame.shape[:2]
    sigma = effects.blur * width
    if sigma > 0.25:  # pixels; less has no effect
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)
    steps = np.arange(256) / 255
    curves = [np.clip(255 * gain * steps**effects.gamma, 0, 255) for gain in effects.gains]
    table = np.stack(curves, axis=-1).astype(np.uint8)[None]
    frame = np.asarray(cv2.LUT(frame, table), np.uint8)
    normal = noise.standard_normal((NOISE_TILE, NOISE_TILE), np.float32)
    grain = (effects.noise * normal).astype(np.int8)
    tile = np.stack([grain, np.roll(grain, 71, 0), np.roll(grain, 113, 1)], axis=-1)
    repeats = (-(-height // NOISE_TILE), -(-width // NOISE_TILE), 1)
    added = np.tile(tile, repeats)[:height, :width]
    frame = np.asarray(cv2.add(frame, added, dtype=cv2.CV_8U), np.uint8)
    if effects.quality < 100:
        data = np.frombuffer(encode_jpeg(frame, quality=effects.quality), np.uint8)
        decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        frame = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    return frame

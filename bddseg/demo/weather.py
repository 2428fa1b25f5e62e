"""Light and weather: how bright and how hazy things are, rain, and the camera's flaws."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.demo.road import Colour, Floats

Image = npt.NDArray[np.uint8]

BEAM_REACH = 32.0  # metres over which the own headlights fall to 1/e
NOISE_TILE = 256  # pixels; the camera noise repeats itself after that


@dataclass(frozen=True, slots=True)
class Light:
    """The light on things at one place, and the haze before them."""

    gains: Colour
    air: Colour
    haze: float  # share of the air in what the camera sees

    def fall_on(self, colour: Colour, glow: bool = False) -> Colour:
        """Colour of a thing as the camera sees it; a glowing one needs no light."""
        haze = self.haze * (0.5 if glow else 1.0)  # lamps pierce the haze
        clear = 1 - haze
        (red, green, blue), (air_red, air_green, air_blue) = colour, self.air
        if not glow:
            gains = self.gains
            red, green, blue = red * gains[0], green * gains[1], blue * gains[2]
        return (
            min(255.0, red) * clear + air_red * haze,
            min(255.0, green) * clear + air_green * haze,
            min(255.0, blue) * clear + air_blue * haze,
        )


@dataclass(frozen=True, slots=True)
class Weather:
    """Light, air and water of a scene; colours are RGB on a scale of 0 to 255."""

    time: str  # "day", "dusk" or "night"
    ambient: Colour  # factors on the colours of things
    zenith: Colour
    skyline: Colour  # colour of the sky at the horizon, and of haze
    extinction: float  # 1/metre
    headlights: float  # strength of the own beam
    shadow: float  # share of light a shadow takes, 0 without sun
    sun: float  # metres a shadow moves to the right per metre of height
    rain: float  # 0 dry to 1 heavy
    wetness: float  # 0 dry to 1 mirror-like

    @property
    def dark(self) -> bool:
        """Whether lamps are what lights the scene."""
        return self.time == "night"

    def find_haze(self, z: Floats) -> Floats:
        """Share of haze (0 to 1) in the light from z metres away."""
        haze: Floats = 1 - np.exp(-self.extinction * z)
        return haze

    def light_place(self, x: float, z: float) -> Light:
        """Light on things x metres to the right and z metres ahead."""
        z = max(z, 1.0)
        spread = 2.2 * x / z
        beam = self.headlights * math.exp(-z / BEAM_REACH - spread * spread)
        red, green, blue = self.ambient
        gains = (red + beam, green + beam, blue + beam)
        return Light(gains, self.skyline, 1 - math.exp(-self.extinction * z))


@dataclass(frozen=True, slots=True)
class Lens:
    """What the camera adds: exposure, colour cast, blur, noise and compression."""

    gains: Colour
    gamma: float
    blur: float  # sigma, of the image width
    noise: float  # sigma, grey levels
    quality: int  # JPEG quality, 100 for none


@dataclass(frozen=True, slots=True)
class Streaks:
    """Falling rain as short lines, in units of the image size."""

    starts: Floats  # (n, 2)
    lengths: Floats  # (n,)
    slant: float


def draw_rain(frame: Image, streaks: Streaks, weather: Weather) -> None:
    """Blend rain streaks into the frame."""
    if not len(streaks.starts):
        return
    height, width = frame.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    starts = streaks.starts * (width, height)
    ends = starts + streaks.lengths[:, None] * height * np.array([streaks.slant, 1.0])
    lines = np.round(np.stack([starts, ends], axis=1) * 16).astype(np.int32)
    cv2.polylines(layer, list(lines), False, 255, 1, cv2.LINE_AA, shift=4)
    tone = 120 if weather.dark else 225
    strength = (0.14 + 0.14 * weather.rain) * min(1.0, height / 400)
    wet = layer > 0
    alpha = layer[wet][:, None] * (strength / 255)
    frame[wet] = (frame[wet] * (1 - alpha) + tone * alpha).astype(np.uint8)


def draw_reflections(frame: Image, paved: npt.NDArray[np.bool_], top: int, wetness: float) -> None:
    """Mirror what stands above row ``top`` in the wet pavement below it, smeared downwards."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (max(width // 4, 8), max(height // 4, 8)))
    turn = top * small.shape[0] // height
    depth = small.shape[0] - turn
    source = small[np.clip(turn - np.arange(depth), 0, None)]
    smeared = cv2.blur(source, (3, max(3, height // 24) | 1))
    mirror = cv2.resize(smeared, (width, height - top)).astype(np.float32)
    share = np.float32(0.45 * wetness) * paved[top:, :, None]
    ground = frame[top:] * (1 - np.float32(0.7) * share)  # water darkens the pavement, too
    frame[top:] = np.minimum(ground + share * mirror, 255).astype(np.uint8)


def expose(frame: Image, lens: Lens, noise: np.random.Generator) -> Image:
    """Pass the frame through the lens, the sensor and the encoder."""
    height, width = frame.shape[:2]
    sigma = lens.blur * width
    if sigma > 0.25:  # pixels; less would change nothing
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)
    steps = np.arange(256) / 255
    curves = [np.clip(255 * gain * steps**lens.gamma, 0, 255) for gain in lens.gains]
    table = np.stack(curves, axis=-1).astype(np.uint8)[None]
    frame = np.asarray(cv2.LUT(frame, table), np.uint8)
    normal = noise.standard_normal((NOISE_TILE, NOISE_TILE), np.float32)
    grey = (lens.noise * normal).astype(np.int8)
    tile = np.stack([grey, np.roll(grey, 71, 0), np.roll(grey, 113, 1)], axis=-1)
    repeats = (-(-height // NOISE_TILE), -(-width // NOISE_TILE), 1)
    grain = np.tile(tile, repeats)[:height, :width]
    frame = np.asarray(cv2.add(frame, grain, dtype=cv2.CV_8U), np.uint8)
    if lens.quality < 100:
        # the encoder takes BGR
        swapped = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        _, code = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, lens.quality])
        decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
        frame = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    return frame

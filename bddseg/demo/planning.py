"""Drawing all random parameters of a scene, before anything is rendered.

Everything is in world or relative units, so that a plan can be rendered at any size.
"""

from dataclasses import dataclass

import numpy as np

from bddseg.demo.layout import (
    Layout,
    draw_camera,
    draw_colours,
    draw_layout,
    draw_marks,
    draw_patches,
    draw_road,
    draw_texture,
    mix,
    vary,
)
from bddseg.demo.road import FAR, Camera, Colour, Floats, Road, Surface
from bddseg.demo.roadside import Thing, cast_shades, draw_surroundings
from bddseg.demo.scenery import Backdrop
from bddseg.demo.surface import Pavement
from bddseg.demo.traffic import PAINTS, block_lanes, draw_traffic
from bddseg.demo.vehicles import Car
from bddseg.demo.weather import Lens, Streaks, Weather


@dataclass(frozen=True, slots=True)
class Bonnet:
    """The own bonnet at the bottom of the picture, in parts of the image size."""

    outline: Floats  # (n, 2)
    colour: Colour


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that defines a scene except the image size."""

    camera: Camera
    road: Road
    weather: Weather
    pavement: Pavement
    backdrop: Backdrop
    things: tuple[Thing | Car, ...]
    bonnet: Bonnet | None
    streaks: Streaks
    lens: Lens
    conditions: str


def draw_plan(rng: np.random.Generator) -> Plan:
    """Draw a scene."""
    layout = draw_layout(rng)
    camera = draw_camera(rng)
    weather = draw_weather(rng)
    cars = draw_traffic(rng, layout, weather)
    road = draw_road(rng, block_lanes(layout.bands, cars), layout.place)
    scenery = draw_surroundings(rng, layout)
    colours = draw_colours(rng, layout.place)
    pavement = Pavement(
        colours=colours,
        texture=draw_texture(rng),
        contrast=float(rng.uniform(0.02, 0.07)),
        lines=layout.lines,
        patches=tuple(draw_patches(rng, layout, colours[Surface.DIRECT])),
        marks=tuple(draw_marks(rng, layout)),
        shades=tuple(cast_shades(scenery, cars, weather)),
    )
    return Plan(
        camera=camera,
        road=road,
        weather=weather,
        pavement=pavement,
        backdrop=draw_backdrop(rng, weather, layout.place),
        things=tuple(sorted([*scenery, *cars], key=lambda thing: -thing.depth)),
        bonnet=draw_bonnet(rng) if rng.random() < 0.3 else None,
        streaks=draw_streaks(rng, weather),
        lens=draw_lens(rng),
        conditions=describe(layout, road, weather),
    )


def describe(layout: Layout, road: Road, weather: Weather) -> str:
    """Words for a caption."""
    words = [weather.time, layout.place]
    if weather.rain:
        words.append("rain")
    elif weather.wetness:
        words.append("wet road")
    if weather.extinction > 0.008:
        words.append("fog")
    words.append("1 lane" if layout.own == 1 else f"{layout.own} lanes")
    if layout.oncoming:
        words.append("divided road" if layout.divided else "two-way road")
    else:
        words.append("one-way road")
    bend = float(road.find_slope(np.array(60.0))) - road.heading
    words.append("straight" if abs(bend) < 0.08 else "curve right" if bend > 0 else "curve left")
    return ", ".join(words)


def draw_weather(rng: np.random.Generator) -> Weather:
    """Draw time of day, air and rain."""
    time = str(rng.choice(["day", "dusk", "night"], p=[0.58, 0.16, 0.26]))
    rain = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.2 else 0.0
    wetness = float(rng.uniform(0.5, 1.0)) if rain or rng.random() < 0.06 else 0.0
    fog = rng.random() < 0.13
    grey = 1.0 if rain or fog else float(rng.choice([0.0, 0.2, 0.8], p=[0.5, 0.25, 0.25]))
    extinction = float(rng.uniform(0.012, 0.024) if fog else rng.uniform(0.0008, 0.005))
    sun = 0.0
    if time == "day":
        light = rng.uniform(0.82, 1.1) - 0.2 * grey
        ambient = (light * 1.02, light, light * (0.96 + 0.05 * grey))
        zenith = mix(vary(rng, (84, 136, 200), 22), vary(rng, (176, 182, 188), 18), grey)
        skyline = mix(vary(rng, (190, 212, 230), 14), vary(rng, (200, 203, 206), 14), grey)
        sun, headlights = 1.0 - grey, 0.0
    elif time == "dusk":
        light = rng.uniform(0.42, 0.62)
        ambient = (light * 1.06, light * 0.97, light * 0.98)
        zenith = vary(rng, (70, 84, 128), 16)
        skyline = mix(vary(rng, (226, 160, 118), 24), (140, 140, 150), grey * 0.8)
        headlights = 0.12
    else:
        light = rng.uniform(0.2, 0.34)
        ambient = (light * 1.0, light * 0.97, light * 1.02)
        zenith = vary(rng, (10, 13, 24), 6)
        skyline = vary(rng, (64, 62, 66) if fog else (36, 36, 44), 12)
        headlights = float(rng.uniform(0.6, 1.0))
    return Weather(
        time=time,
        ambient=ambient,
        zenith=zenith,
        skyline=skyline,
        extinction=extinction,
        headlights=headlights,
        shadow=float(rng.uniform(0.3, 0.55)) if sun > 0.5 else 0.0,
        sun=float(rng.uniform(0.3, 1.3) * rng.choice([-1, 1])),
        rain=rain,
        wetness=wetness,
    )


def draw_backdrop(rng: np.random.Generator, weather: Weather, place: str) -> Backdrop:
    """Draw the sky and the far ridge or skyline."""
    clouds = rng.random((7, 12)).astype(np.float32)
    dim = {"day": 1.0, "dusk": 0.6, "night": 0.16}[weather.time]
    ridges = []
    for layer in range(int(rng.integers(1, 4))):
        stepped = place == "city" and rng.random() < 0.7
        count = int(rng.integers(14, 40)) if stepped else 60
        walk = rng.random(count) if stepped else np.cumsum(rng.normal(0, 0.16, count))
        walk = (walk - walk.min()) / max(float(np.ptp(walk)), 1e-6)
        fuzz = 0.0 if stepped else rng.uniform(0, 0.25) * rng.random(count)
        heights = (0.012 + (0.07 - 0.02 * layer) * rng.random() * (walk + fuzz)).astype(np.float64)
        own = vary(rng, (110, 112, 118) if stepped else (74, 90, 66), 16)
        shaded = (own[0] * dim, own[1] * dim, own[2] * dim)
        # the farther ridges are paler, and none is clearer than the end of the ground
        haze = max(0.72 - 0.2 * layer, float(weather.find_haze(np.array(1.3 * FAR))))
        colour = mix(shaded, weather.skyline, haze)
        ridges.append((heights, colour, stepped))
    glow = {"day": (26.0, 24.0, 16.0), "dusk": (90.0, 44.0, 10.0)}.get(
        weather.time, (4.0, 3.0, 2.0)
    )
    cloud = {"day": (244.0, 244.0, 246.0), "dusk": (206.0, 150.0, 140.0)}
    return Backdrop(
        clouds=clouds,
        cover=float(rng.choice([0.0, 0.35, 0.7])),
        cloud_colour=cloud.get(weather.time, (26.0, 27.0, 34.0)),
        glow=glow,
        glow_at=(float(rng.uniform(0, 1)), float(rng.uniform(0.3, 1.0))),
        ridges=tuple(ridges),
    )


def draw_bonnet(rng: np.random.Generator) -> Bonnet:
    """Draw the own bonnet."""
    x = np.linspace(-0.02, 1.02, 17)
    crown, fall = rng.uniform(0.03, 0.1), rng.uniform(0.02, 0.09)
    y = 1 - crown + fall * np.abs((x - 0.5 - rng.uniform(-0.08, 0.08)) * 2) ** 2.4
    outline = np.concatenate([np.stack([x, y], -1), [(1.02, 1.3), (-0.02, 1.3)]])
    return Bonnet(outline, vary(rng, PAINTS[int(rng.integers(len(PAINTS)))], 10))


def draw_streaks(rng: np.random.Generator, weather: Weather) -> Streaks:
    """Draw the rain in the air."""
    count = int(700 * weather.rain)
    return Streaks(
        rng.random((count, 2)), rng.uniform(0.015, 0.05, count), float(rng.uniform(-0.3, 0.3))
    )


def draw_lens(rng: np.random.Generator) -> Lens:
    """Draw the camera's exposure and flaws."""
    exposure, cast = rng.uniform(0.86, 1.14), rng.uniform(-0.06, 0.06)
    return Lens(
        gains=(float(exposure * (1 + cast)), float(exposure), float(exposure * (1 - cast))),
        gamma=float(rng.uniform(0.85, 1.15)),
        blur=float(rng.choice([0.0, 0.0004, 0.0009, 0.0015])),
        noise=float(rng.uniform(0.5, 5.0)),
        quality=int(rng.integers(45, 90)) if rng.random() < 0.3 else 100,
    )

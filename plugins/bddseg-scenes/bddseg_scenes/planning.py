"""Sampling all parameters of a scene before it is rendered.

They are in world units or relative to the image size, so a plan can be rendered at any size.
"""

from dataclasses import dataclass

import numpy as np

from bddseg_scenes.layout import (
    Layout,
    blend_colors,
    sample_camera,
    sample_colors,
    sample_layout,
    sample_road,
    sample_texture,
    vary_color,
)
from bddseg_scenes.markings import sample_markings, sample_repairs
from bddseg_scenes.road import FAR, Camera, Color, Floats, Road, Surface
from bddseg_scenes.roadside import RoadsideObject, find_light_patches, sample_surroundings
from bddseg_scenes.scenery import Backdrop
from bddseg_scenes.surface import Pavement
from bddseg_scenes.traffic import PAINTS, block_lanes, sample_traffic
from bddseg_scenes.vehicles import Vehicle
from bddseg_scenes.weather import CameraEffects, RainStreaks, Weather


@dataclass(frozen=True, slots=True)
class Hood:
    """The hood of the camera's own vehicle; its outline is relative to the image size."""

    outline: Floats  # (n, 2)
    color: Color


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that defines a scene except the image size."""

    camera: Camera
    road: Road
    weather: Weather
    pavement: Pavement
    backdrop: Backdrop
    objects: tuple[RoadsideObject | Vehicle, ...]
    hood: Hood | None
    rain_streaks: RainStreaks
    camera_effects: CameraEffects
    conditions: str


def sample_plan(rng: np.random.Generator) -> Plan:
    """Sample a scene."""
    layout = sample_layout(rng)
    camera = sample_camera(rng)
    weather = sample_weather(rng)
    vehicles = sample_traffic(rng, layout, weather)
    road = sample_road(rng, block_lanes(layout.strips, vehicles), layout.setting)
    scenery = sample_surroundings(rng, layout)
    colors = sample_colors(rng, layout.setting)
    pavement = Pavement(
        colors=colors,
        texture=sample_texture(rng),
        contrast=float(rng.uniform(0.02, 0.07)),
        lines=layout.lines,
        repairs=tuple(sample_repairs(rng, layout, colors[Surface.DIRECT])),
        markings=tuple(sample_markings(rng, layout)),
        light_patches=tuple(find_light_patches(scenery, vehicles, weather)),
    )
    return Plan(
        camera=camera,
        road=road,
        weather=weather,
        pavement=pavement,
        backdrop=sample_backdrop(rng, weather, layout.setting),
        objects=tuple(sorted([*scenery, *vehicles], key=lambda each: -each.depth)),
        hood=sample_hood(rng) if rng.random() < 0.3 else None,
        rain_streaks=sample_rain_streaks(rng, weather),
        camera_effects=sample_camera_effects(rng),
        conditions=describe(layout, road, weather),
    )


def describe(layout: Layout, road: Road, weather: Weather) -> str:
    """Return a description for captions."""
    words = [weather.time, layout.setting]
    if weather.rain:
        words.append("rain")
    elif weather.wetness:
        words.append("wet road")
    if weather.extinction > 0.008:
        words.append("fog")
    words.append("1 lane" if layout.forward_lanes == 1 else f"{layout.forward_lanes} lanes")
    if layout.oncoming_lanes:
        words.append("divided road" if layout.divided else "two-way road")
    else:
        words.append("one-way road")
    bend = float(road.find_slope(np.array(60.0))) - road.heading
    words.append("straight" if abs(bend) < 0.08 else "curve right" if bend > 0 else "curve left")
    return ", ".join(words)


def sample_weather(rng: np.random.Generator) -> Weather:
    """Sample time of day, haze and rain."""
    time = str(rng.choice(["day", "dusk", "night"], p=[0.58, 0.16, 0.26]))
    rain = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.2 else 0.0
    wetness = float(rng.uniform(0.5, 1.0)) if rain or rng.random() < 0.06 else 0.0
    fog = rng.random() < 0.13
    overcast = 1.0 if rain or fog else float(rng.choice([0.0, 0.2, 0.8], p=[0.5, 0.25, 0.25]))
    extinction = float(rng.uniform(0.012, 0.024) if fog else rng.uniform(0.0008, 0.005))
    sun = 0.0
    if time == "day":
        light = rng.uniform(0.82, 1.1) - 0.2 * overcast
        ambient = (light * 1.02, light, light * (0.96 + 0.05 * overcast))
        zenith = blend_colors(
            vary_color(rng, (84, 136, 200), 22), vary_color(rng, (176, 182, 188), 18), overcast
        )
        skyline = blend_colors(
            vary_color(rng, (190, 212, 230), 14), vary_color(rng, (200, 203, 206), 14), overcast
        )
        sun, headlights = 1.0 - overcast, 0.0
    elif time == "dusk":
        light = rng.uniform(0.42, 0.62)
        ambient = (light * 1.06, light * 0.97, light * 0.98)
        zenith = vary_color(rng, (70, 84, 128), 16)
        skyline = blend_colors(
            vary_color(rng, (226, 160, 118), 24), (140, 140, 150), overcast * 0.8
        )
        headlights = 0.12
    else:
        light = rng.uniform(0.2, 0.34)
        ambient = (light * 1.0, light * 0.97, light * 1.02)
        zenith = vary_color(rng, (10, 13, 24), 6)
        skyline = vary_color(rng, (64, 62, 66) if fog else (36, 36, 44), 12)
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


def sample_backdrop(rng: np.random.Generator, weather: Weather, setting: str) -> Backdrop:
    """Sample the sky and the ridges or the skyline in front of it."""
    clouds = rng.random((7, 12)).astype(np.float32)
    dim = {"day": 1.0, "dusk": 0.6, "night": 0.16}[weather.time]
    ridges = []
    for layer in range(int(rng.integers(1, 4))):
        stepped = setting == "city" and rng.random() < 0.7
        count = int(rng.integers(14, 40)) if stepped else 60
        walk = rng.random(count) if stepped else np.cumsum(rng.normal(0, 0.16, count))
        walk = (walk - walk.min()) / max(float(np.ptp(walk)), 1e-6)
        fuzz = 0.0 if stepped else rng.uniform(0, 0.25) * rng.random(count)
        heights = (0.012 + (0.07 - 0.02 * layer) * rng.random() * (walk + fuzz)).astype(np.float64)
        base = vary_color(rng, (110, 112, 118) if stepped else (74, 90, 66), 16)
        shaded = (base[0] * dim, base[1] * dim, base[2] * dim)
        # Farther ridges are paler, and all are at least as hazy as the end of the ground.
        haze = max(0.72 - 0.2 * layer, float(weather.compute_haze(np.array(1.3 * FAR))))
        color = blend_colors(shaded, weather.skyline, haze)
        ridges.append((heights, color, stepped))
    glow = {"day": (26.0, 24.0, 16.0), "dusk": (90.0, 44.0, 10.0)}.get(
        weather.time, (4.0, 3.0, 2.0)
    )
    cloud = {"day": (244.0, 244.0, 246.0), "dusk": (206.0, 150.0, 140.0)}
    return Backdrop(
        clouds=clouds,
        cloud_opacity=float(rng.choice([0.0, 0.35, 0.7])),
        cloud_color=cloud.get(weather.time, (26.0, 27.0, 34.0)),
        glow=glow,
        glow_at=(float(rng.uniform(0, 1)), float(rng.uniform(0.3, 1.0))),
        ridges=tuple(ridges),
    )


def sample_hood(rng: np.random.Generator) -> Hood:
    """Sample the hood of the camera's own vehicle."""
    x = np.linspace(-0.02, 1.02, 17)
    crown, fall = rng.uniform(0.03, 0.1), rng.uniform(0.02, 0.09)
    y = 1 - crown + fall * np.abs((x - 0.5 - rng.uniform(-0.08, 0.08)) * 2) ** 2.4
    outline = np.concatenate([np.stack([x, y], -1), [(1.02, 1.3), (-0.02, 1.3)]])
    return Hood(outline, vary_color(rng, PAINTS[int(rng.integers(len(PAINTS)))], 10))


def sample_rain_streaks(rng: np.random.Generator, weather: Weather) -> RainStreaks:
    """Sample falling rain."""
    count = int(700 * weather.rain)
    return RainStreaks(
        rng.random((count, 2)), rng.uniform(0.015, 0.05, count), float(rng.uniform(-0.3, 0.3))
    )


def sample_camera_effects(rng: np.random.Generator) -> CameraEffects:
    """Sample exposure, color cast, blur, noise and compression of the camera."""
    exposure, cast = rng.uniform(0.86, 1.14), rng.uniform(-0.06, 0.06)
    return CameraEffects(
        gains=(float(exposure * (1 + cast)), float(exposure), float(exposure * (1 - cast))),
        gamma=float(rng.uniform(0.85, 1.15)),
        blur=float(rng.choice([0.0, 0.0004, 0.0009, 0.0015])),
        noise=float(rng.uniform(0.5, 5.0)),
        quality=int(rng.integers(45, 90)) if rng.random() < 0.3 else 100,
    )

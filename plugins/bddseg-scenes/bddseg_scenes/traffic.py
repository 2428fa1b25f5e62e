"""Sampling the vehicles of a scene, and the lanes that they block."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bddseg_scenes.layout import Layout, vary_color
from bddseg_scenes.road import DRIVABLE, FAR, Color, Strip, Surface
from bddseg_scenes.vehicles import VEHICLE_MODELS, Vehicle
from bddseg_scenes.weather import Weather

PAINTS: tuple[Color, ...] = (
    (214, 214, 212), (40, 42, 46), (128, 132, 136), (168, 172, 176), (150, 34, 32),
    (36, 62, 118), (70, 96, 84), (196, 176, 132), (92, 70, 54), (226, 196, 60),
)  # fmt: skip


def sample_traffic(rng: np.random.Generator, layout: Layout, weather: Weather) -> list[Vehicle]:
    """Sample the vehicles in all lanes and at the curb."""
    vehicles: list[Vehicle] = []
    density = rng.uniform(0.25, 0.95)
    lights_on = weather.time != "day" or weather.rain > 0
    for strip in layout.strips:
        if strip.kind in DRIVABLE and rng.random() < density:
            nearest = 9.0 if strip.kind == Surface.DIRECT else 3.0
            vehicles += sample_queue(rng, strip, nearest + rng.exponential(22), lights_on)
        elif strip.kind == Surface.ONCOMING and rng.random() < 0.7:
            vehicles += sample_queue(rng, strip, rng.uniform(5, 60), lights_on)
        elif strip.kind == Surface.SHOULDER and layout.parking and strip.right - strip.left > 2:
            vehicles += sample_parked(rng, strip)
    return vehicles


def sample_queue(
    rng: np.random.Generator, strip: Strip, z: float, lights_on: bool
) -> list[Vehicle]:
    """Sample vehicles in a lane, one behind the other, the first at z meters."""
    vehicles: list[Vehicle] = []
    spacing = rng.uniform(4, 30)
    while z < 0.8 * FAR and len(vehicles) < 7:
        models = [name for name in VEHICLE_MODELS if name not in ("truck", "bus") or z > 7]
        weights = np.array([{"sedan": 4.0, "wagon": 4.0}.get(name, 1.0) for name in models])
        model = str(rng.choice(models, p=weights / weights.sum()))
        slack = (strip.right - strip.left - VEHICLE_MODELS[model].width) / 2 - 0.35
        vehicle = Vehicle(
            model=model,
            s=strip.center + float(rng.uniform(-1, 1)) * max(0.0, min(slack, 0.4)),
            z=float(z),
            color=vary_color(rng, PAINTS[int(rng.integers(len(PAINTS)))], 14),
            scale=float(rng.uniform(0.93, 1.07)),
            oncoming=strip.kind == Surface.ONCOMING,
            braking=bool(rng.random() < 0.35),
            lights_on=lights_on or bool(rng.random() < 0.15),
        )
        vehicles.append(vehicle)
        z += vehicle.length + spacing * rng.uniform(0.7, 2.0)
    return vehicles


def sample_parked(rng: np.random.Generator, strip: Strip) -> list[Vehicle]:
    """Sample vehicles parked along the curb."""
    vehicles: list[Vehicle] = []
    z = rng.uniform(3, 12)
    chance = rng.uniform(0.3, 0.9)
    while z < 90:
        model = str(rng.choice(["sedan", "wagon", "wagon", "van", "pickup"]))
        length = VEHICLE_MODELS[model].length
        if rng.random() < chance:
            # Vehicles park at the curb side of the shoulder.
            s = strip.center + float(np.sign(strip.center)) * 0.12
            color = vary_color(rng, PAINTS[int(rng.integers(len(PAINTS)))], 14)
            faces_camera = bool(strip.center < 0 and rng.random() < 0.8)
            vehicles.append(Vehicle(model, s, float(z), color, 0.96, oncoming=faces_camera))
        z += length + rng.uniform(0.8, 2.5)
    return vehicles


def block_lanes(strips: Sequence[Strip], vehicles: Sequence[Vehicle]) -> tuple[Strip, ...]:
    """Return the strips with each drivable lane ending at its first vehicle."""
    blocked = []
    for strip in strips:
        if strip.kind in DRIVABLE:
            ahead = [vehicle.z for vehicle in vehicles if strip.left < vehicle.s < strip.right]
            strip = replace(strip, end=min([FAR, *ahead]))
        blocked.append(strip)
    return tuple(blocked)

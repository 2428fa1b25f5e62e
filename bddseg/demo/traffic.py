"""Drawing the vehicles of a scene at random, and the lanes they block."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bddseg.demo.layout import Layout, vary
from bddseg.demo.road import FAR, Band, Colour, Surface
from bddseg.demo.vehicles import MODELS, Car
from bddseg.demo.weather import Weather

PAINTS: tuple[Colour, ...] = (
    (214, 214, 212), (40, 42, 46), (128, 132, 136), (168, 172, 176), (150, 34, 32),
    (36, 62, 118), (70, 96, 84), (196, 176, 132), (92, 70, 54), (226, 196, 60),
)  # fmt: skip


def draw_traffic(rng: np.random.Generator, layout: Layout, weather: Weather) -> list[Car]:
    """Draw the vehicles in all lanes and at the kerb."""
    cars: list[Car] = []
    density = rng.uniform(0.25, 0.95)
    lamps = weather.time != "day" or weather.rain > 0
    for band in layout.bands:
        if band.kind in (Surface.DIRECT, Surface.ALTERNATIVE) and rng.random() < density:
            nearest = 9.0 if band.kind == Surface.DIRECT else 3.0
            cars += draw_queue(rng, band, nearest + rng.exponential(22), lamps)
        elif band.kind == Surface.ONCOMING and rng.random() < 0.7:
            cars += draw_queue(rng, band, rng.uniform(5, 60), lamps)
        elif band.kind == Surface.SHOULDER and layout.parking and band.right - band.left > 2:
            cars += draw_parked(rng, band)
    return cars


def draw_queue(rng: np.random.Generator, band: Band, z: float, lamps: bool) -> list[Car]:
    """Draw vehicles behind each other in a lane, the first at z metres."""
    cars: list[Car] = []
    spacing = rng.uniform(4, 30)
    while z < 0.8 * FAR and len(cars) < 7:
        models = [name for name in MODELS if name not in ("truck", "bus") or z > 7]
        weights = np.array([{"sedan": 4.0, "wagon": 4.0}.get(name, 1.0) for name in models])
        model = str(rng.choice(models, p=weights / weights.sum()))
        slack = (band.right - band.left - MODELS[model].width) / 2 - 0.35
        car = Car(
            model=model,
            s=band.middle + float(rng.uniform(-1, 1)) * max(0.0, min(slack, 0.4)),
            z=float(z),
            colour=vary(rng, PAINTS[int(rng.integers(len(PAINTS)))], 14),
            scale=float(rng.uniform(0.93, 1.07)),
            oncoming=band.kind == Surface.ONCOMING,
            braking=bool(rng.random() < 0.35),
            lamps=lamps or bool(rng.random() < 0.15),
        )
        cars.append(car)
        z += car.length + spacing * rng.uniform(0.7, 2.0)
    return cars


def draw_parked(rng: np.random.Generator, band: Band) -> list[Car]:
    """Draw cars along the kerb."""
    cars: list[Car] = []
    z = rng.uniform(3, 12)
    chance = rng.uniform(0.3, 0.9)
    while z < 90:
        model = str(rng.choice(["sedan", "wagon", "wagon", "van", "pickup"]))
        length = MODELS[model].length
        if rng.random() < chance:
            # the side away from the traffic stays near the kerb
            s = band.middle + float(np.sign(band.middle)) * 0.12
            colour = vary(rng, PAINTS[int(rng.integers(len(PAINTS)))], 14)
            backward = bool(band.middle < 0 and rng.random() < 0.8)
            cars.append(Car(model, s, float(z), colour, 0.96, oncoming=backward))
        z += length + rng.uniform(0.8, 2.5)
    return cars


def block_lanes(bands: Sequence[Band], cars: Sequence[Car]) -> tuple[Band, ...]:
    """End each drivable lane at the first vehicle in it."""
    blocked = []
    for band in bands:
        if band.kind in (Surface.DIRECT, Surface.ALTERNATIVE):
            ahead = [car.z for car in cars if band.left < car.s < band.right]
            band = replace(band, end=min([FAR, *ahead]))
        blocked.append(band)
    return tuple(blocked)

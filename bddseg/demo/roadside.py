"""Drawing what stands beside the road at random, and the shadows and light it casts."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bddseg.demo.layout import Layout, vary
from bddseg.demo.road import FAR, NEAR, Band, Colour, Surface
from bddseg.demo.scenery import SIGNALS, Building, Gantry, Post, Tree, Wall
from bddseg.demo.surface import Shade
from bddseg.demo.vehicles import MODELS, Car
from bddseg.demo.weather import Weather

Thing = Building | Tree | Post | Wall | Gantry
SIGNS: tuple[Colour, ...] = ((196, 40, 36), (226, 226, 222), (40, 84, 168), (230, 190, 50))


def draw_surroundings(rng: np.random.Generator, layout: Layout) -> list[Thing]:
    """Draw what stands on both sides of the road and on its median."""
    things: list[Thing] = []
    left, right = layout.sides
    for edge, sign in ((left, -1.0), (right, 1.0)):
        if layout.place == "city":
            things += draw_buildings(rng, edge + sign * rng.uniform(0, 2), sign, (6, 26))
        elif layout.place == "suburb":
            things += draw_buildings(rng, edge + sign * rng.uniform(4, 11), sign, (3.5, 8))
        things += draw_trees(rng, layout.place, edge, sign)
        things += draw_posts(rng, layout.place, edge, sign)
        things += draw_walls(rng, layout.place, edge, sign)
    medians = [band for band in layout.bands if band.kind == Surface.MEDIAN]
    for median in medians:
        things += draw_median(rng, median)
    if layout.place == "highway" and rng.random() < 0.3:
        lanes = [b for b in layout.bands if b.kind in (Surface.DIRECT, Surface.ALTERNATIVE)]
        ends = (lanes[0].left - 1.0, right + 1.0)
        panels = tuple((lane.left + 0.3, lane.right - 0.3) for lane in lanes)
        panels = panels if rng.random() < 0.5 else ((panels[0][0], panels[-1][1]),)
        things.append(Gantry(*ends, float(rng.uniform(25, 70)), 5.6, panels))
    return things


def draw_buildings(
    rng: np.random.Generator, wall: float, sign: float, heights: tuple[float, float]
) -> list[Thing]:
    """Draw a row of buildings whose walls stand at about ``wall`` metres."""
    things: list[Thing] = []
    z = float(rng.uniform(-6, 14))
    gap = rng.uniform(0, 3) if heights[1] > 10 else rng.uniform(4, 14)
    colours = ((168, 120, 96), (196, 186, 168), (150, 148, 146), (208, 196, 176), (126, 92, 80),
               (176, 160, 130), (110, 122, 134))  # fmt: skip
    while z < 135:
        length, height = float(rng.uniform(8, 15)), float(rng.uniform(*heights))
        if z + length > 5:
            s = wall + sign * float(rng.uniform(0, 1.5))
            colour = vary(rng, colours[int(rng.integers(len(colours)))], 16)
            lit = rng.random((8, 5))
            storeys = max(1, int(height / 3.1))
            things.append(
                Building(s, z, z + length, height, float(rng.uniform(8, 14)), colour, storeys, lit)
            )
        z += length + float(gap * rng.uniform(0.0, 2.0))
    return things


def draw_trees(rng: np.random.Generator, place: str, edge: float, sign: float) -> list[Thing]:
    """Draw trees beside the road."""
    count = int(
        rng.integers(
            *{"city": (0, 7), "suburb": (2, 12), "highway": (0, 16), "country": (3, 18)}[place]
        )
    )
    clear = {"city": -0.7, "suburb": 0.8, "highway": 6.0, "country": 3.0}[place]
    spread = {"city": 0.3, "suburb": 5.0, "highway": 25.0, "country": 22.0}[place]
    things: list[Thing] = []
    for _ in range(count):
        s = edge + sign * (clear + spread * rng.random() ** 1.5)
        height = float(rng.uniform(4, 11))
        leaves = 12
        turn, reach = rng.uniform(0, 2 * np.pi, leaves), rng.uniform(0.1, 0.8, leaves)
        up = reach * np.sin(turn)
        blobs = np.stack(
            [
                0.75 * reach * np.cos(turn),
                up,
                height * rng.uniform(0.1, 0.19, leaves),
                0.85 + 0.22 * up + rng.uniform(-0.12, 0.12, leaves),
            ],
            axis=-1,
        )
        blobs = blobs[np.argsort(up)]  # the sunlit top is painted last
        colour = vary(rng, (66, 92, 44), 20)
        trunk = height * float(rng.uniform(0.2, 0.38))
        things.append(Tree(float(s), float(rng.uniform(7, 120)), height, trunk, blobs, colour))
    return things


def draw_posts(rng: np.random.Generator, place: str, edge: float, sign: float) -> list[Thing]:
    """Draw street lamps, signs and signals."""
    things: list[Thing] = []
    urban = place in ("city", "suburb")
    s = edge - sign * 1.2 if urban else edge + sign * 1.5
    if rng.random() < {"city": 0.8, "suburb": 0.55, "highway": 0.4}.get(place, 0.1):
        step, height = rng.uniform(22, 40), float(rng.uniform(6.5, 9))
        places = np.arange(rng.uniform(6, 30), 125, step)
        things += [Post(float(s), float(z), height, "lamp", (0, 0, 0)) for z in places]
    for _ in range(int(rng.integers(0, 4))):
        colour = SIGNS[int(rng.integers(len(SIGNS)))]
        z = float(rng.uniform(7, 70))
        things.append(Post(float(s + sign * 0.3), z, float(rng.uniform(2.4, 3.2)), "sign", colour))
    if place == "city" and rng.random() < 0.35:
        colour = SIGNALS[int(rng.integers(len(SIGNALS)))]
        z = float(rng.uniform(12, 50))
        things.append(
            Post(float(s - sign * 0.4), z, float(rng.uniform(3.2, 4.5)), "signal", colour)
        )
    return things


def draw_walls(rng: np.random.Generator, place: str, edge: float, sign: float) -> list[Thing]:
    """Draw a guard rail, a concrete barrier, a fence or a hedge."""
    chance = {"city": 0.0, "suburb": 0.35, "highway": 0.65, "country": 0.3}[place]
    if rng.random() >= chance:
        return []
    s = edge + sign * float(rng.uniform(0.3, 0.9))
    if place == "suburb":
        s += sign * 1.0
        return build_wall(s, 0.0, float(rng.uniform(0.8, 1.6)), vary(rng, (64, 88, 48), 14))
    if rng.random() < 0.6:
        return build_wall(s, 0.42, 0.76, vary(rng, (150, 154, 156), 14))
    return build_wall(s, 0.0, float(rng.uniform(0.8, 1.1)), vary(rng, (160, 158, 152), 14))


def draw_median(rng: np.random.Generator, median: Band) -> list[Thing]:
    """Draw what stands on the median."""
    kind = rng.random()
    if kind < 0.4:
        return build_wall(median.middle, 0.0, 0.85, vary(rng, (164, 162, 156), 14))
    if kind < 0.6:
        return build_wall(median.middle, 0.42, 0.76, vary(rng, (150, 154, 156), 14))
    if kind < 0.75 and median.right - median.left > 1.8:
        return build_wall(median.middle, 0.0, 0.7, vary(rng, (64, 90, 50), 14))
    return []


def build_wall(s: float, bottom: float, top: float, colour: Colour) -> list[Thing]:
    """Pieces of a wall along the whole road, short enough to be sorted by depth."""
    joints = np.concatenate([np.arange(2.5, 30, 4.0), np.geomspace(30.5, FAR, 13)])
    return [Wall(s, float(near), float(far), bottom, top, colour) for near, far in pairwise(joints)]


def cast_shades(scenery: Sequence[Thing], cars: Sequence[Car], weather: Weather) -> list[Shade]:
    """Shadows and pools of light on the ground, the darkest last."""
    shades: list[Shade] = []
    if weather.shadow:
        for thing in scenery:
            shades += cast_shadow(thing, weather)
        for car in cars:
            shift = weather.sun * MODELS[car.model].height * 0.8
            corners = car.outline_footprint(0.0)
            side = corners[:, 0] == (corners[:, 0].max() if shift > 0 else corners[:, 0].min())
            shades.append(Shade(corners + np.stack([side * shift, 0 * side], -1), -weather.shadow))
    if weather.dark:
        for thing in scenery:
            if isinstance(thing, Post) and thing.top == "lamp":
                shades += pool_light(thing)
    contact = 0.35 if weather.dark else 0.6
    return shades + [Shade(car.outline_footprint(0.12), -contact) for car in cars]


def cast_shadow(thing: Thing, weather: Weather) -> list[Shade]:
    """Shadow of one thing beside the road."""
    if isinstance(thing, Building):
        reach = float(np.clip(weather.sun * thing.height, -22, 22))
        s = np.array([thing.s, thing.s, thing.s + reach, thing.s + reach])
        z = np.array([thing.near, thing.far, thing.far + 2, thing.near + 2])
        return [Shade(np.stack([s, np.maximum(z, NEAR)], -1), -weather.shadow)]
    if isinstance(thing, Tree):
        shift = weather.sun * (thing.height + thing.trunk) / 2
        turn = np.linspace(0, 2 * np.pi, 9)[:-1]
        return [
            Shade(
                np.stack(
                    [
                        thing.s + shift + (right + np.cos(turn)) * radius * 1.3,
                        thing.z + (up + np.sin(turn)) * radius * 1.3,
                    ],
                    -1,
                ),
                -weather.shadow,
            )
            for right, up, radius, _ in thing.blobs[:8]
        ]
    if isinstance(thing, Post):
        s = thing.s + np.array(
            [-0.1, 0.1, 0.1 + weather.sun * thing.height, weather.sun * thing.height - 0.1]
        )
        z = thing.z + np.array([0, 0, 0.8, 0.8])
        return [Shade(np.stack([s, z], -1), -weather.shadow)]
    return []


def pool_light(lamp: Post) -> list[Shade]:
    """Pool of light under a street lamp, brighter inwards."""
    turn = np.linspace(0, 2 * np.pi, 21)[:-1]
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    middle = np.array([lamp.s - np.sign(lamp.s) * 2.5, lamp.z])
    shares = np.linspace(1, 0.15, 14)  # fine steps, lest the rings be seen
    return [Shade(middle + 9.5 * r * ring, float(1.9 * (1 - r * r) + 0.05)) for r in shares]

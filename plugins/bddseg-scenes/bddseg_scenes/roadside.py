"""Sampling the objects beside the road, and the shadows and the light that objects cast."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bddseg_scenes.layout import Layout, vary_color
from bddseg_scenes.road import DRIVABLE, FAR, NEAR, Color, Strip, Surface
from bddseg_scenes.scenery import SIGNALS, Building, Gantry, Post, Tree, Wall
from bddseg_scenes.surface import LightPatch
from bddseg_scenes.vehicles import VEHICLE_MODELS, Vehicle
from bddseg_scenes.weather import Weather

RoadsideObject = Building | Tree | Post | Wall | Gantry
SIGNS: tuple[Color, ...] = ((196, 40, 36), (226, 226, 222), (40, 84, 168), (230, 190, 50))


def sample_surroundings(rng: np.random.Generator, layout: Layout) -> list[RoadsideObject]:
    """Sample the objects on both sides of the road and on its median."""
    objects: list[RoadsideObject] = []
    left, right = layout.sides
    for edge, sign in ((left, -1.0), (right, 1.0)):
        if layout.setting == "city":
            objects += sample_buildings(rng, edge + sign * rng.uniform(0, 2), sign, (6, 26))
        elif layout.setting == "suburb":
            objects += sample_buildings(rng, edge + sign * rng.uniform(4, 11), sign, (3.5, 8))
        objects += sample_trees(rng, layout.setting, edge, sign)
        objects += sample_posts(rng, layout.setting, edge, sign)
        objects += sample_walls(rng, layout.setting, edge, sign)
    medians = [strip for strip in layout.strips if strip.kind == Surface.MEDIAN]
    for median in medians:
        objects += sample_median(rng, median)
    if layout.setting == "highway" and rng.random() < 0.3:
        lanes = [each for each in layout.strips if each.kind in DRIVABLE]
        ends = (lanes[0].left - 1.0, right + 1.0)
        panels = tuple((lane.left + 0.3, lane.right - 0.3) for lane in lanes)
        panels = panels if rng.random() < 0.5 else ((panels[0][0], panels[-1][1]),)
        objects.append(Gantry(*ends, float(rng.uniform(25, 70)), 5.6, panels))
    return objects


def sample_buildings(
    rng: np.random.Generator, wall: float, sign: float, heights: tuple[float, float]
) -> list[RoadsideObject]:
    """Sample a row of buildings with walls at an offset of about `wall` meters."""
    objects: list[RoadsideObject] = []
    z = float(rng.uniform(-6, 14))
    gap = rng.uniform(0, 3) if heights[1] > 10 else rng.uniform(4, 14)
    colors = ((168, 120, 96), (196, 186, 168), (150, 148, 146), (208, 196, 176), (126, 92, 80),
               (176, 160, 130), (110, 122, 134))  # fmt: skip
    while z < 135:
        length, height = float(rng.uniform(8, 15)), float(rng.uniform(*heights))
        if z + length > 5:
            s = wall + sign * float(rng.uniform(0, 1.5))
            color = vary_color(rng, colors[int(rng.integers(len(colors)))], 16)
            lit = rng.random((8, 5))
            floors = max(1, int(height / 3.1))
            objects.append(
                Building(s, z, z + length, height, float(rng.uniform(8, 14)), color, floors, lit)
            )
        z += length + float(gap * rng.uniform(0.0, 2.0))
    return objects


def sample_trees(
    rng: np.random.Generator, setting: str, edge: float, sign: float
) -> list[RoadsideObject]:
    """Sample trees beside the road."""
    counts = {"city": (0, 7), "suburb": (2, 12), "highway": (0, 16), "country": (3, 18)}
    num_trees = int(rng.integers(*counts[setting]))
    distance = {"city": -0.7, "suburb": 0.8, "highway": 6.0, "country": 3.0}[setting]
    spread = {"city": 0.3, "suburb": 5.0, "highway": 25.0, "country": 22.0}[setting]
    objects: list[RoadsideObject] = []
    for _ in range(num_trees):
        s = edge + sign * (distance + spread * rng.random() ** 1.5)
        height = float(rng.uniform(4, 11))
        count = 12
        angle, reach = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.1, 0.8, count)
        up = reach * np.sin(angle)
        discs = np.stack(
            [
                0.75 * reach * np.cos(angle),
                up,
                height * rng.uniform(0.1, 0.19, count),
                0.85 + 0.22 * up + rng.uniform(-0.12, 0.12, count),
            ],
            axis=-1,
        )
        discs = discs[np.argsort(up)]  # the sunlit top is painted last
        color = vary_color(rng, (66, 92, 44), 20)
        trunk = height * float(rng.uniform(0.2, 0.38))
        objects.append(Tree(float(s), float(rng.uniform(7, 120)), height, trunk, discs, color))
    return objects


def sample_posts(
    rng: np.random.Generator, setting: str, edge: float, sign: float
) -> list[RoadsideObject]:
    """Sample street lamps, signs and traffic lights."""
    objects: list[RoadsideObject] = []
    urban = setting in ("city", "suburb")
    s = edge - sign * 1.2 if urban else edge + sign * 1.5
    if rng.random() < {"city": 0.8, "suburb": 0.55, "highway": 0.4}.get(setting, 0.1):
        step, height = rng.uniform(22, 40), float(rng.uniform(6.5, 9))
        positions = np.arange(rng.uniform(6, 30), 125, step)
        objects += [Post(float(s), float(z), height, "lamp", (0, 0, 0)) for z in positions]
    for _ in range(int(rng.integers(0, 4))):
        color = SIGNS[int(rng.integers(len(SIGNS)))]
        z = float(rng.uniform(7, 70))
        objects.append(Post(float(s + sign * 0.3), z, float(rng.uniform(2.4, 3.2)), "sign", color))
    if setting == "city" and rng.random() < 0.35:
        color = SIGNALS[int(rng.integers(len(SIGNALS)))]
        z = float(rng.uniform(12, 50))
        objects.append(
            Post(float(s - sign * 0.4), z, float(rng.uniform(3.2, 4.5)), "signal", color)
        )
    return objects


def sample_walls(
    rng: np.random.Generator, setting: str, edge: float, sign: float
) -> list[RoadsideObject]:
    """Sample a guard rail, a concrete barrier or a hedge, or none of them."""
    chance = {"city": 0.0, "suburb": 0.35, "highway": 0.65, "country": 0.3}[setting]
    if rng.random() >= chance:
        return []
    s = edge + sign * float(rng.uniform(0.3, 0.9))
    if setting == "suburb":
        s += sign * 1.0
        return build_wall(s, 0.0, float(rng.uniform(0.8, 1.6)), vary_color(rng, (64, 88, 48), 14))
    if rng.random() < 0.6:
        return build_wall(s, 0.42, 0.76, vary_color(rng, (150, 154, 156), 14))
    return build_wall(s, 0.0, float(rng.uniform(0.8, 1.1)), vary_color(rng, (160, 158, 152), 14))


def sample_median(rng: np.random.Generator, median: Strip) -> list[RoadsideObject]:
    """Sample a barrier, a guard rail or a hedge on the median, or none of them."""
    kind = rng.random()
    if kind < 0.4:
        return build_wall(median.center, 0.0, 0.85, vary_color(rng, (164, 162, 156), 14))
    if kind < 0.6:
        return build_wall(median.center, 0.42, 0.76, vary_color(rng, (150, 154, 156), 14))
    if kind < 0.75 and median.right - median.left > 1.8:
        return build_wall(median.center, 0.0, 0.7, vary_color(rng, (64, 90, 50), 14))
    return []


def build_wall(s: float, bottom: float, top: float, color: Color) -> list[RoadsideObject]:
    """Return the segments of a wall along the road, short enough to be sorted by depth."""
    joints = np.concatenate([np.arange(2.5, 30, 4.0), np.geomspace(30.5, FAR, 13)])
    return [Wall(s, float(near), float(far), bottom, top, color) for near, far in pairwise(joints)]


def find_light_patches(
    scenery: Sequence[RoadsideObject], vehicles: Sequence[Vehicle], weather: Weather
) -> list[LightPatch]:
    """Return shadows and pools of light on the ground, the darkest last."""
    patches: list[LightPatch] = []
    if weather.shadow:
        for source in scenery:
            patches += cast_shadow(source, weather)
        for vehicle in vehicles:
            shift = weather.sun * VEHICLE_MODELS[vehicle.model].height * 0.8
            corners = vehicle.outline_footprint(0.0)
            side = corners[:, 0] == (corners[:, 0].max() if shift > 0 else corners[:, 0].min())
            patches.append(
                LightPatch(corners + np.stack([side * shift, 0 * side], -1), -weather.shadow)
            )
    if weather.dark:
        for source in scenery:
            if isinstance(source, Post) and source.top == "lamp":
                patches += make_light_pool(source)
    contact = 0.35 if weather.dark else 0.6
    return patches + [LightPatch(vehicle.outline_footprint(0.12), -contact) for vehicle in vehicles]


def cast_shadow(source: RoadsideObject, weather: Weather) -> list[LightPatch]:
    """Return the shadow of an object beside the road."""
    if isinstance(source, Building):
        reach = float(np.clip(weather.sun * source.height, -22, 22))
        s = np.array([source.s, source.s, source.s + reach, source.s + reach])
        z = np.array([source.near, source.far, source.far + 2, source.near + 2])
        return [LightPatch(np.stack([s, np.maximum(z, NEAR)], -1), -weather.shadow)]
    if isinstance(source, Tree):
        shift = weather.sun * (source.height + source.trunk) / 2
        angle = np.linspace(0, 2 * np.pi, 9)[:-1]
        return [
            LightPatch(
                np.stack(
                    [
                        source.s + shift + (right + np.cos(angle)) * radius * 1.3,
                        source.z + (up + np.sin(angle)) * radius * 1.3,
                    ],
                    -1,
                ),
                -weather.shadow,
            )
            for right, up, radius, _ in source.discs[:8]
        ]
    if isinstance(source, Post):
        s = source.s + np.array(
            [-0.1, 0.1, 0.1 + weather.sun * source.height, weather.sun * source.height - 0.1]
        )
        z = source.z + np.array([0, 0, 0.8, 0.8])
        return [LightPatch(np.stack([s, z], -1), -weather.shadow)]
    return []


def make_light_pool(lamp: Post) -> list[LightPatch]:
    """Return the pool of light under a street lamp, brightest in its center."""
    angle = np.linspace(0, 2 * np.pi, 21)[:-1]
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    center = np.array([lamp.s - np.sign(lamp.s) * 2.5, lamp.z])
    radii = np.linspace(1, 0.15, 14)  # so many that no rings are visible
    return [LightPatch(center + 9.5 * r * circle, float(1.9 * (1 - r * r) + 0.05)) for r in radii]

"""Sampling road markings across lanes, and repairs of the pavement."""

import numpy as np

from bddseg_scenes.layout import WHITE, Layout
from bddseg_scenes.road import DRIVABLE, FAR, Color, Floats, Surface
from bddseg_scenes.surface import GroundPolygon

TAR: Color = (44, 44, 46)


def sample_repairs(rng: np.random.Generator, layout: Layout, asphalt: Color) -> list[GroundPolygon]:
    """Sample repaired areas, tar seams and manhole covers, which are below the paint."""
    left, right = find_pavement_edges(layout)
    repairs = []
    for _ in range(int(rng.integers(0, 5))):  # repaired areas
        s, z = rng.uniform(left, right), rng.uniform(4, 45)
        wide, long = rng.uniform(0.6, 2.6), rng.uniform(1.5, 12)
        tone = rng.uniform(0.72, 1.2)
        color = (asphalt[0] * tone, asphalt[1] * tone, asphalt[2] * tone)
        repairs.append(
            GroundPolygon(outline_rectangle(s, min(s + wide, right), z, z + long), color, 1.0)
        )
    for _ in range(int(rng.choice([0, 0, 2, 5, 9]))):  # tar seams
        along = rng.uniform(3, 30) + np.linspace(0, rng.uniform(4, 22), 7)
        across = rng.uniform(left, right) + np.cumsum(rng.normal(0, 0.18, 7))
        edge = np.stack([across, along], -1)
        seam = np.concatenate([edge, edge[::-1] + np.array([0.06, 0.0])])
        repairs.append(GroundPolygon(np.clip(seam, (left, 0), (right, FAR)), TAR, 0.7))
    for _ in range(int(rng.choice([0, 0, 1, 2]))):  # manhole covers
        turn = np.linspace(0, 2 * np.pi, 13)[:-1]
        center = np.array([rng.uniform(left + 0.5, right - 0.5), rng.uniform(5, 30)])
        manhole = center + 0.34 * np.stack([np.cos(turn), np.sin(turn)], -1)
        repairs.append(GroundPolygon(manhole, (58, 56, 54), 0.9))
    return repairs


def sample_markings(rng: np.random.Generator, layout: Layout) -> list[GroundPolygon]:
    """Sample stop lines, crossings and arrows."""
    markings: list[GroundPolygon] = []
    strength = float(rng.uniform(0.5, 1.0))
    lanes = [strip for strip in layout.strips if strip.kind in DRIVABLE]
    left, right = lanes[0].left, lanes[-1].right
    urban = layout.setting in ("city", "suburb")
    z = float(rng.uniform(7, 40))
    if urban and rng.random() < 0.25:
        stop = outline_rectangle(left + 0.2, right - 0.2, z, z + 0.5)
        markings.append(GroundPolygon(stop, WHITE, strength))
        bars = np.arange(find_pavement_edges(layout)[0] + 0.4, right - 0.4, 1.0)
        markings += [
            GroundPolygon(outline_rectangle(s, s + 0.5, z + 1.6, z + 4.8), WHITE, strength)
            for s in bars
        ]
    if rng.random() < 0.22:
        z = float(rng.uniform(6, 26))
        markings += [
            GroundPolygon(outline_arrow(lane.center, z), WHITE, strength) for lane in lanes
        ]
    return markings


def find_pavement_edges(layout: Layout) -> tuple[float, float]:
    """Return left and right offsets (meters) of the pavement that the ego lane is part of."""
    kinds = DRIVABLE if layout.divided else (*DRIVABLE, Surface.ONCOMING)
    lanes = [strip for strip in layout.strips if strip.kind in kinds]
    return lanes[0].left, lanes[-1].right


def outline_rectangle(left: float, right: float, near: float, far: float) -> Floats:
    """Return a rectangle on the ground, with additional points so that it follows a curve."""
    z = np.linspace(near, far, 4)
    return np.concatenate(
        [np.stack([np.full(4, left), z], -1), np.stack([np.full(4, right), z[::-1]], -1)]
    )


def outline_arrow(s: float, z: float) -> Floats:
    """Return an arrow that points straight ahead, 4.5 m long."""
    half = np.array([(-0.08, 0), (-0.08, 2.6), (-0.4, 2.6), (0, 4.5)])
    mirrored = half[-2::-1] * (-1, 1)
    outline: Floats = np.concatenate([half, mirrored]) + np.array([s, z])
    return outline

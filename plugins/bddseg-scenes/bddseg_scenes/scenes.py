"""Rendering a driving scene: the same seed gives the same frame and ground truth."""

from dataclasses import dataclass

import numpy as np

from bddseg.types import Image, LabelMap, SizeHW
from bddseg_scenes.canvas import Canvas
from bddseg_scenes.planning import Hood, Plan, sample_plan
from bddseg_scenes.road import Surface, View
from bddseg_scenes.scenery import paint_backdrop
from bddseg_scenes.surface import find_paved, map_surface, paint_ground
from bddseg_scenes.vehicles import scale_color
from bddseg_scenes.weather import apply_camera_effects, draw_rain, draw_reflections


@dataclass(frozen=True, slots=True)
class Scene:
    """A rendered frame with its ground truth.

    Attributes:
        frame: RGB, (H, W, 3), uint8.
        labels: Class ids, (H, W), uint8: 0 direct, 1 alternative, 2 background.
        conditions: Description, such as "night, city, rain, 4 lanes, one-way road, straight".
    """

    frame: Image
    labels: LabelMap
    conditions: str


def render_scene(seed: int, size_hw: SizeHW = (720, 1280)) -> Scene:
    """Return the scene of a seed; the same arguments give the same bytes.

    Args:
        seed: 0 or more; a seed gives the same scene at any size.
        size_hw: Height and width in pixels, at least (90, 160).
    """
    plan = sample_plan(np.random.default_rng(seed))
    return render_plan(plan, size_hw, np.random.default_rng([seed, 1]))


def render_plan(plan: Plan, size_hw: SizeHW, noise: np.random.Generator) -> Scene:
    """Return the scene of a plan at a size; `noise` generates the noise of the camera."""
    canvas = prepare_canvas(plan, size_hw)
    for each in plan.objects:
        each.draw(canvas)
    if plan.weather.wetness:
        paved = find_paved(canvas.surface)
        draw_reflections(canvas.frame, paved, canvas.view.top, plan.weather.wetness)
    draw_rain(canvas.frame, plan.rain_streaks, plan.weather)
    if plan.hood:
        paint_hood(canvas, plan.hood)
    labels = np.minimum(canvas.surface, np.uint8(Surface.OBJECT))
    frame = apply_camera_effects(canvas.frame, plan.camera_effects, noise)
    return Scene(frame, labels, plan.conditions)


def prepare_canvas(plan: Plan, size_hw: SizeHW) -> Canvas:
    """Return a canvas on which sky and ground are painted."""
    view = View(plan.camera, plan.road, size_hw)
    frame = np.zeros((*size_hw, 3), np.uint8)
    surface = np.full(size_hw, Surface.OBJECT, np.uint8)
    canvas = Canvas(view, plan.weather, frame, surface)
    surface[view.top :] = map_surface(view)
    paint_backdrop(canvas, plan.backdrop)
    frame[view.top :] = paint_ground(view, plan.pavement, plan.weather, surface[view.top :])
    return canvas


def paint_hood(canvas: Canvas, hood: Hood) -> None:
    """Paint the hood of the camera's own vehicle over the bottom of the frame."""
    outline = hood.outline * (canvas.view.width, canvas.view.height)
    brush = canvas.get_brush(3.0, 1.0)  # outside the beams of the headlights
    brush.fill([outline], hood.color)
    edge = np.array([0, 0.014 * canvas.view.height])
    brush.fill([outline + edge], scale_color(hood.color, 0.75))

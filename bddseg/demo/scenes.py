"""Deterministic rendered driving scenes with exact drivable-area truth."""

from dataclasses import dataclass

import numpy as np

from bddseg.demo.canvas import Canvas
from bddseg.demo.planning import Bonnet, Plan, draw_plan
from bddseg.demo.road import Surface, View
from bddseg.demo.scenery import paint_backdrop
from bddseg.demo.surface import is_paved, map_surface, paint_ground
from bddseg.demo.vehicles import shade
from bddseg.demo.weather import Image, draw_rain, draw_reflections, expose


@dataclass(frozen=True, slots=True)
class Scene:
    """A rendered frame with its truth."""

    frame: Image  # uint8 (H, W, 3), RGB
    labels: Image  # uint8 (H, W): 0 direct, 1 alternative, 2 background
    conditions: str  # in words, such as "night, city, rain, 4 lanes, one-way road, straight"


def render_scene(seed: int, size_hw: tuple[int, int] = (720, 1280)) -> Scene:
    """Render the scene of a seed.

    Args:
        seed: Non-negative; the same seed gives the same scene at any size.
        size_hw: Height and width in pixels, from (90, 160) up.

    Returns:
        The scene, byte for byte the same for the same arguments.
    """
    plan = draw_plan(np.random.default_rng(seed))
    return render_plan(plan, size_hw, np.random.default_rng([seed, 1]))


def render_plan(plan: Plan, size_hw: tuple[int, int], noise: np.random.Generator) -> Scene:
    """Render a plan at a size, with the camera noise drawn from ``noise``."""
    canvas = prepare_canvas(plan, size_hw)
    for thing in plan.things:
        thing.draw(canvas)
    if plan.weather.wetness:
        paved = is_paved(canvas.surface)
        draw_reflections(canvas.frame, paved, canvas.view.top, plan.weather.wetness)
    draw_rain(canvas.frame, plan.streaks, plan.weather)
    if plan.bonnet:
        draw_bonnet(canvas, plan.bonnet)
    labels = np.minimum(canvas.surface, np.uint8(Surface.OBJECT))
    return Scene(expose(canvas.frame, plan.lens, noise), labels, plan.conditions)


def prepare_canvas(plan: Plan, size_hw: tuple[int, int]) -> Canvas:
    """Canvas with sky and ground."""
    view = View(plan.camera, plan.road, size_hw)
    frame = np.zeros((*size_hw, 3), np.uint8)
    surface = np.full(size_hw, Surface.OBJECT, np.uint8)
    canvas = Canvas(view, plan.weather, frame, surface)
    surface[view.top :] = map_surface(view)
    paint_backdrop(canvas, plan.backdrop)
    frame[view.top :] = paint_ground(view, plan.pavement, plan.weather, surface[view.top :])
    return canvas


def draw_bonnet(canvas: Canvas, bonnet: Bonnet) -> None:
    """Paint the own bonnet over the bottom of the picture."""
    outline = bonnet.outline * (canvas.view.width, canvas.view.height)
    brush = canvas.pick_brush(3.0, 1.0)  # beside the beams of the headlights
    brush.fill([outline], bonnet.colour)
    edge = np.array([0, 0.014 * canvas.view.height])
    brush.fill([outline + edge], shade(bonnet.colour, 0.75))

"""Rendered scenes: reproducible, the same at any size, with ground truth that fits the frame."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from bddseg_scenes.planning import sample_plan
from bddseg_scenes.road import FAR, Camera, Road, Strip, Surface, View
from bddseg_scenes.scenes import Scene, render_plan, render_scene
from bddseg_scenes.surface import map_surface
from bddseg_scenes.traffic import block_lanes
from bddseg_scenes.vehicles import Vehicle

from bddseg.data.image import encode_jpeg
from bddseg.demo import GROUND_TRUTH, IMAGES
from bddseg.io.png import encode_png

SMALL = (90, 160)
DIRECT, ALTERNATIVE, BACKGROUND = 0, 1, 2
STRAIGHT = Road(
    offset=0.0,
    heading=0.0,
    curvature=0.0,
    clothoid=0.0,
    crest=0.0,
    crest_change=0.0,
    strips=(
        Strip(Surface.ONCOMING, -2000.0, -1.75),
        Strip(Surface.DIRECT, -1.75, 1.75),
        Strip(Surface.ALTERNATIVE, 1.75, 5.25),
        Strip(Surface.VERGE, 5.25, 2000.0),
    ),
)
CAMERA = Camera(height=1.5, focal=0.8, horizon=0.4)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(seed, SMALL) for seed in range(50)]


def test_same_seed_gives_the_same_bytes() -> None:
    first, second = render_scene(7, (180, 320)), render_scene(7, (180, 320))
    assert first.frame.tobytes() == second.frame.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.conditions == second.conditions


def test_different_seeds_give_different_scenes(scenes: list[Scene]) -> None:
    assert len({scene.frame.tobytes() for scene in scenes}) == len(scenes)
    assert len({scene.labels.tobytes() for scene in scenes}) == len(scenes)


@pytest.mark.parametrize("name", sorted(path.stem for path in IMAGES.iterdir()))
def test_the_frames_of_the_demo_are_reproduced(name: str) -> None:
    scene = render_scene(int(name.removeprefix("scene-")))
    assert encode_jpeg(scene.frame) == (IMAGES / f"{name}.jpg").read_bytes()
    assert encode_png(scene.labels) == (GROUND_TRUTH / f"{name}.png").read_bytes()


@pytest.mark.parametrize("seed", range(6))
def test_another_size_shows_the_same_scene(seed: int) -> None:
    large, small = render_scene(seed, (360, 640)), render_scene(seed, (180, 320))
    resized = cv2.resize(large.labels, (320, 180), interpolation=cv2.INTER_NEAREST)
    assert np.mean(resized == small.labels) > 0.97
    assert large.conditions == small.conditions


@pytest.mark.parametrize("size_hw", [(90, 160), (97, 161), (201, 163), (128, 512)])
def test_odd_sizes_work(size_hw: tuple[int, int]) -> None:
    for seed in range(4):
        scene = render_scene(seed, size_hw)
        assert scene.frame.shape == (*size_hw, 3)
        assert scene.labels.shape == size_hw
        assert scene.frame.dtype == scene.labels.dtype == np.uint8


def test_labels_have_the_three_classes_only(scenes: list[Scene]) -> None:
    found = set(np.unique(np.stack([scene.labels for scene in scenes])).tolist())
    assert found == {DIRECT, ALTERNATIVE, BACKGROUND}


def test_nearly_all_scenes_have_a_direct_lane_and_most_an_alternative(
    scenes: list[Scene],
) -> None:
    shares = np.array([[np.mean(scene.labels == k) for k in range(3)] for scene in scenes])
    assert np.mean(shares[:, DIRECT] > 0.03) >= 0.96
    assert np.mean(shares[:, ALTERNATIVE] > 0.005) > 0.65
    assert 0.08 < shares[:, DIRECT].mean() < 0.25


def test_the_bottom_center_is_direct_unless_a_hood_covers_it() -> None:
    for seed in range(50):
        plan = replace(sample_plan(np.random.default_rng(seed)), hood=None)
        labels = render_plan(plan, SMALL, np.random.default_rng(0)).labels
        assert labels[-1, SMALL[1] // 2] == DIRECT, seed


def test_a_lane_ends_at_its_first_blocking_vehicle() -> None:
    vehicles = [Vehicle("sedan", 0.1, z, (90, 90, 90), 1.0) for z in (40.0, 20.0)]
    strips = block_lanes(STRAIGHT.strips, vehicles)
    assert [strip.end for strip in strips if strip.kind == Surface.DIRECT] == [20.0]
    assert [strip.end for strip in strips if strip.kind == Surface.ALTERNATIVE] == [FAR]

    view = View(CAMERA, replace(STRAIGHT, strips=strips), (360, 640))
    ahead = map_surface(view)[:, 320]
    assert (ahead[view.z < 20] == Surface.DIRECT).all()
    assert (ahead[view.z >= 20] == Surface.BLOCKED).all()


def test_lanes_are_projected_as_by_a_pinhole_camera() -> None:
    view = View(CAMERA, STRAIGHT, (360, 640))
    surface = map_surface(view)
    focal, horizon, center = 0.8 * 640, 0.4 * 360 - 0.5, 319.5
    for row in (359, 300, 220):
        z = focal * 1.5 / (row - horizon)
        direct = np.flatnonzero(surface[row - view.top] == Surface.DIRECT)
        assert direct[0] == np.clip(np.ceil(center - 1.75 * focal / z), 0, 639)
        assert abs(direct[-1] - np.clip(center + 1.75 * focal / z, 0, 639)) <= 1


def test_a_crest_hides_the_ground_behind_it() -> None:
    view = View(CAMERA, replace(STRAIGHT, crest=-1 / 400), (360, 640))
    top_of_crest = (2 * CAMERA.height * 400) ** 0.5
    assert view.z.max() < 1.1 * top_of_crest
    assert view.find_occlusion_row(0.5 * top_of_crest) == view.height
    assert view.find_occlusion_row(2 * top_of_crest) < view.height


def test_a_vehicle_is_background_in_the_ground_truth() -> None:
    plan = sample_plan(np.random.default_rng(3))
    vehicle = Vehicle("van", 0.0, 12.0, (200, 200, 200), 1.0)
    road = replace(STRAIGHT, strips=block_lanes(STRAIGHT.strips, [vehicle]))
    plan = replace(plan, camera=CAMERA, road=road, objects=(vehicle,), hood=None)
    labels = render_plan(plan, (360, 640), np.random.default_rng(0)).labels
    view = View(CAMERA, road, (360, 640))
    base = round(float(view.find_row(np.array([12.0]))[0]))
    assert (labels[: base - 1, 280:360] == BACKGROUND).all()
    assert (labels[base + 2 :, 300:340] == DIRECT).all()

"""Labels on the ground: a camera whose geometry is known."""

from typing import Any

import numpy as np
import pytest
from bddseg_ros2.grid import FREE, OCCUPIED, UNKNOWN, GridSpec, GroundProjection

from bddseg.errors import BddsegError
from bddseg.tasks.task import Task, get_task

DRIVABLE = get_task("drivable")
HEIGHT, WIDTH, FOCAL = 120, 160, 100.0
CAMERA_HEIGHT = 1.5
SPEC = GridSpec(size_m=(20.0, 8.0), resolution_m=0.5, origin_m=(0.0, -4.0))


def make_homography(scale: float = 1.0) -> list[float]:
    """Return pixel -> ground of a camera that looks straight ahead, its horizon in row 59.5.

    A point (x, y) of the ground is seen at column c - f y / x and row c + f h / x.
    """
    middle = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    to_image = np.array(
        [
            [middle[0], -FOCAL, 0],
            [middle[1], 0, FOCAL * CAMERA_HEIGHT],
            [1, 0, 0],
        ]
    )
    return [float(each) for each in (scale * np.linalg.inv(to_image)).ravel()]


@pytest.mark.parametrize("scale", [1.0, -3.0, 1e-6])
def test_cells_have_the_label_of_the_pixel_that_shows_them(scale: float) -> None:
    # A lane of drivable ground between y = -1 and y = 2.
    labels = np.full((HEIGHT, WIDTH), 2, np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    with np.errstate(divide="ignore"):
        x = FOCAL * CAMERA_HEIGHT / (rows - (HEIGHT - 1) / 2)
    y = ((WIDTH - 1) / 2 - columns) * x / FOCAL
    labels[(rows > 60) & (y > -1) & (y < 2)] = 0
    labels[(rows > 60) & (y > 1) & (y < 2)] = 1
    grid = GroundProjection(make_homography(scale), SPEC, DRIVABLE).project(labels)
    assert grid.shape == (16, 40)
    assert grid.dtype == np.int8
    near = grid[:, 12:24]  # x from 6 to 12 m, all of whose cells are in the image
    side = np.arange(16) * 0.5 - 4 + 0.25
    is_lane = (side > -1) & (side < 2)
    assert (near[is_lane] == FREE).all()
    assert (near[~is_lane] == OCCUPIED).all()


def test_what_the_image_does_not_show_is_unknown() -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    grid = GroundProjection(make_homography(), SPEC, DRIVABLE).project(labels)
    # The lower edge shows the ground 2.5 m ahead; it is narrow there.
    assert (grid[:, :5] == UNKNOWN).all()
    assert (grid[7:9, 6:] == FREE).all()
    assert grid[0, 6] == UNKNOWN
    behind = GridSpec(size_m=(20.0, 8.0), resolution_m=0.5, origin_m=(-25.0, -4.0))
    grid = GroundProjection(make_homography(), behind, DRIVABLE).project(labels)
    assert (grid == UNKNOWN).all()


def test_pixels_without_a_class_are_unknown() -> None:
    labels = np.full((HEIGHT, WIDTH), 255, np.uint8)
    grid = GroundProjection(make_homography(), SPEC, DRIVABLE).project(labels)
    assert (grid == UNKNOWN).all()


def test_images_of_several_sizes_can_follow_each_other() -> None:
    projection = GroundProjection(make_homography(), SPEC, DRIVABLE)
    whole = projection.project(np.zeros((HEIGHT, WIDTH), np.uint8))
    half = projection.project(np.zeros((HEIGHT, WIDTH // 2), np.uint8))
    assert (half == FREE).sum() < (whole == FREE).sum()
    assert np.array_equal(projection.project(np.zeros((HEIGHT, WIDTH), np.uint8)), whole)


@pytest.mark.parametrize("numbers", [[], [1.0] * 9, [0.0] * 9, [1.0] * 8, [float("nan")] * 9])
def test_matrices_without_an_inverse_are_refused(numbers: list[float]) -> None:
    with pytest.raises(BddsegError, match="is not a matrix of 3x3 numbers that has an inverse"):
        GroundProjection(numbers, SPEC, DRIVABLE)


@pytest.mark.parametrize(
    "change",
    [
        {"size_m": (0.0, 1.0)},
        {"resolution_m": 0.0},
        {"resolution_m": float("nan")},
        {"resolution_m": 1e-6},
        {"resolution_m": 1000.0},
        {"origin_m": (float("inf"), 0.0)},
    ],
)
def test_grids_without_cells_or_with_too_many_are_refused(change: dict[str, Any]) -> None:
    values: dict[str, Any] = {"size_m": (1.0, 1.0), "resolution_m": 0.5, "origin_m": (0.0, 0.0)}
    with pytest.raises(BddsegError):
        GridSpec(**values | change)


def test_a_task_has_to_say_what_is_drivable() -> None:
    task = Task(name="t", classes=("a", "b"), colors=((1, 2, 3), (4, 5, 6)))
    with pytest.raises(BddsegError, match="does not say what is drivable"):
        GroundProjection(make_homography(), SPEC, task)

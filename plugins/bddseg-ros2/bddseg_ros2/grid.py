"""Occupancy grids: labels projected onto the ground plane by a homography."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bddseg.errors import BddsegError
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import LabelMap, SizeHW

# Values of nav_msgs/OccupancyGrid.
FREE, OCCUPIED, UNKNOWN = 0, 100, -1
_MAX_CELLS = 4_000_000

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSpec:
    """Size and place of a grid; as in REP 103, x points forward and y to the left.

    Attributes:
        size_m: Length along x and width along y, in metres.
        resolution_m: Length of a cell's side, in metres.
        origin_m: x and y of the corner of the first cell, in metres.
    """

    size_m: tuple[float, float]
    resolution_m: float
    origin_m: tuple[float, float]

    def __post_init__(self) -> None:
        """Refuse grids without cells, or with too many."""
        numbers = (*self.size_m, self.resolution_m, *self.origin_m)
        if not np.isfinite(numbers).all() or min(*self.size_m, self.resolution_m) <= 0:
            raise BddsegError(
                f"A grid cannot have size {self.size_m}, resolution {self.resolution_m} and origin "
                f"{self.origin_m}.",
                "Use finite numbers of metres; size and resolution are above 0.",
            )
        rows, columns = self.shape
        if not 0 < rows * columns <= _MAX_CELLS:
            raise BddsegError(
                f"A grid of {self.size_m} m with cells of {self.resolution_m} m has {rows} x "
                f"{columns} cells; 1 to {_MAX_CELLS:,} were expected.",
                "Change grid_size or grid_resolution.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along y and along x."""
        length, width = (round(size / self.resolution_m) for size in self.size_m)
        return width, length


class GroundProjection:
    """Looks up the label of the pixel that shows the middle of each cell.

    Args:
        homography: 9 numbers, row by row: this matrix times a pixel (column, row, 1), counted from
            the middle of the first pixel, is a point (x, y, 1) of the ground in metres, up to
            scale.
        spec: The grid.
        task: Task of the labels: its background is not drivable, all other classes are.

    Raises:
        BddsegError: the matrix has no inverse, or the task no background.
    """

    def __init__(self, homography: Sequence[float], spec: GridSpec, task: Task) -> None:
        self.spec = spec
        self._task = task
        self._to_ground = _check_homography(homography)
        if task.background is None:
            raise BddsegError(
                f"The task '{task.name}' does not say what is drivable.",
                "Use a model of the task drivable or drivable_binary, or leave out homography.",
            )
        # The last images had this size, too.
        self._find_pixels = lru_cache(maxsize=2)(self._compute_pixels)

    def project(self, labels: LabelMap) -> npt.NDArray[np.int8]:
        """Return the grid, (rows along y, columns along x), int8.

        Drivable cells are 0, others 100, and cells outside the image, or of pixels without a class,
        -1.

        Args:
            labels: Class ids, (H, W), uint8.
        """
        values = np.full(256, OCCUPIED, np.int8)
        values[: len(self._task.foreground)] = FREE
        values[IGNORE_INDEX] = UNKNOWN
        cells, pixels = self._find_pixels((labels.shape[0], labels.shape[1]))
        grid = np.full(self.spec.shape, UNKNOWN, np.int8)
        grid.reshape(-1)[cells] = values[labels.reshape(-1)[pixels]]
        return grid

    def _compute_pixels(self, size_hw: SizeHW) -> tuple[Indices, Indices]:
        """Return the indices of the cells that an image shows, and of their pixels in it."""
        height, width = size_hw
        # The middle of the lower edge shows ground in front of the camera: points on the other side
        # of the horizon have the other sign.
        bottom = self._to_ground @ ((width - 1) / 2, height - 1, 1)
        rows, columns = self.spec.shape
        (x_start, y_start), side = self.spec.origin_m, self.spec.resolution_m
        x = x_start + side * (np.arange(columns) + 0.5)
        y = y_start + side * (np.arange(rows) + 0.5)
        points = np.stack([*map(np.ravel, np.meshgrid(x, y)), np.ones(rows * columns)])
        column, row, scale = np.sign(bottom[2]) * (np.linalg.inv(self._to_ground) @ points)
        with np.errstate(divide="ignore", invalid="ignore"):
            column, row = np.rint(column / scale), np.rint(row / scale)
        is_seen = (scale > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        cells = np.flatnonzero(is_seen).astype(np.int64)
        return cells, (row[cells] * width + column[cells]).astype(np.int64)


def _check_homography(numbers: Sequence[float]) -> Matrix:
    matrix = np.asarray(numbers, np.float64)
    if matrix.size == 9 and np.isfinite(matrix).all():
        matrix = matrix.reshape(3, 3)
        # Of the rows' scale, which is not the point: metres and pixels differ by much.
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        if norms.all() and abs(np.linalg.det(matrix / norms)) > 1e-9:
            return matrix
    raise BddsegError(
        f"The homography {list(numbers)} is not a matrix of 3x3 numbers that has an inverse.",
        "Give its 9 numbers row by row, as cv2.findHomography(pixels, metres) returns them.",
    )

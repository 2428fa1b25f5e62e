"""Ratios of pixel counts, in percent."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bddseg.metrics.confusion import Counts

Floats = npt.NDArray[np.float64]


def divide(part: Counts | np.int64, whole: Counts | np.int64, *, empty: float = math.nan) -> Floats:
    """Return part / whole, and `empty` where the whole is 0."""
    ratios = np.full(part.shape, empty, np.float64)
    np.divide(part, whole, out=ratios, where=np.greater(whole, 0))
    return ratios


def mean_percent(ratios: Floats) -> float:
    """Return the mean of ratios, in percent; NaN if there are none."""
    return float(100 * ratios.mean()) if ratios.size else math.nan


def name_percents(names: Sequence[str], columns: dict[str, Floats]) -> dict[str, dict[str, float]]:
    """Return columns of ratios as rows by name, in percent.

    Args:
        names: Names of the N rows.
        columns: Ratios (N,), by column.
    """
    return {
        name: {column: float(100 * ratios[row]) for column, ratios in columns.items()}
        for row, name in enumerate(names)
    }

"""Confusion matrices: how many pixels of each true class were given each class."""

import numpy as np
import numpy.typing as npt

from bddseg.data.masks import Labels

# counts[truth, result], int64: the 20,000 frames of the test set overflow 32 bits.
Counts = npt.NDArray[np.int64]


def count_pixels(truth: Labels, result: Labels, size: int) -> Counts:
    """Return counts (size, size) of the pixels of a pair of label maps.

    The last class takes in every id at or beyond it: background, "ignored" and unknown (255).

    Args:
        truth: (H, W), uint8.
        result: (H, W), uint8.
        size: number of rows and columns.
    """
    last = np.uint8(size - 1)
    joint = np.minimum(truth, last).astype(np.uint16) * np.uint16(size)
    joint += np.minimum(result, last)
    return np.bincount(joint.ravel(), minlength=size * size).reshape(size, size)

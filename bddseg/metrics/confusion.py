"""Confusion matrices: the number of pixels of each true class that were given each class."""

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.types import LabelMap

# int64: the 20,000 frames of the test set overflow 32 bits. A confusion matrix is (K + 1, K + 1),
# ground truth by prediction; the last row and column are pixels outside all K classes: unlabeled
# ones (255), and ids that the task does not have.
Counts = npt.NDArray[np.int64]

# The name of the last row and column.
UNLABELED = "unlabeled"

# OpenCV's histograms are float32, which counts one by one up to here.
_MAX_EXACT = 1 << 24


def count_pixels(ground_truth: LabelMap, prediction: LabelMap, size: int) -> Counts:
    """Return the confusion matrix (size, size) of two label maps.

    Ids of `size` and more count as the last class.

    Args:
        ground_truth: Class ids, (H, W), uint8.
        prediction: Class ids, (H, W), uint8.
        size: Number of rows and columns.
    """
    last = np.uint8(size - 1)
    # Finding the maximum takes a tenth of the time of clipping.
    ground_truth, prediction = (
        np.minimum(labels, last) if labels.max(initial=0) > last else labels
        for labels in (ground_truth, prediction)
    )
    if size * size > 256:
        joint = ground_truth.astype(np.uint16) * np.uint16(size) + prediction
        return np.bincount(joint.ravel(), minlength=size * size).reshape(size, size)
    pixels = (ground_truth * np.uint8(size) + prediction).ravel()
    counts = np.zeros(256, np.int64)
    # On bytes, a histogram is several times as fast as `bincount`, which converts them to 64 bits.
    for start in range(0, pixels.size, _MAX_EXACT):
        part = pixels[start : start + _MAX_EXACT]
        counts += cv2.calcHist([part], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts[: size * size].reshape(size, size)


def join_background(counts: Counts) -> Counts:
    """Return a confusion matrix with background and unlabeled pixels as one class, the last.

    The official evaluator does not distinguish them.

    Args:
        counts: (K + 1, K + 1), where the class K - 1 is the background.
    """
    joined = counts[:-1, :-1].copy()
    joined[-1, :] += counts[-1, :-1]
    joined[:, -1] += counts[:-1, -1]
    joined[-1, -1] += counts[-1, -1]
    return joined

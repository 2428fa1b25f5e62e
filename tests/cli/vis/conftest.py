"""Fixtures of the tests of `bddseg vis`."""

from pathlib import Path

import numpy as np
import pytest

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A folder with ten frames, `gt` and `masks`; each prediction is better than the one before."""
    for number in range(10):
        ground_truth = np.full((180, 320), 2, np.uint8)
        ground_truth[60:, 100:200] = 0
        prediction = np.full((180, 320), 2, np.uint8)
        prediction[60:, 100 : 110 + 10 * number] = 0
        grey = np.full((180, 320, 3), 128, np.uint8)
        write_jpeg(tmp_path / "frames" / f"{number:06}.jpg", grey)
        write_mask(tmp_path / "gt" / f"{number:06}.png", ground_truth)
        write_mask(tmp_path / "masks" / f"{number:06}.png", prediction)
    return tmp_path

"""Fixtures of the tests of `bddseg.vis`."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bddseg.data.mask import write_mask
from bddseg.tasks.task import Task, get_task
from bddseg.types import Image, LabelMap


@pytest.fixture
def drivable() -> Task:
    """The task that most tests use."""
    return get_task("drivable")


@pytest.fixture
def scene() -> tuple[Image, LabelMap]:
    """A textured frame of 1280x720 with a road of two lanes, and its label map."""
    labels = np.full((720, 1280), 2, np.uint8)
    cv2.fillPoly(labels, [np.array([(500, 300), (640, 300), (700, 719), (60, 719)])], (0,))
    cv2.fillPoly(labels, [np.array([(640, 300), (760, 300), (1250, 719), (700, 719)])], (1,))
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    image = cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC)
    return image.astype(np.uint8, copy=False), labels


@pytest.fixture
def masks(tmp_path: Path, frames: Path) -> Path:
    """A folder of masks of random classes: one for each frame but the last."""
    folder = tmp_path / "masks"
    rng = np.random.default_rng(0)
    for path in sorted(frames.rglob("*.*"))[:4]:
        height, width = cv2.imread(str(path)).shape[:2]  # type: ignore[union-attr]
        labels = rng.integers(0, 3, (height, width), np.uint8)
        write_mask((folder / path.relative_to(frames)).with_suffix(".png"), labels)
    return folder

"""What all runs of several workers start from."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import write_tiny_model
from worker_runs import COUNT, end_all

import bddseg


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        small = rng.integers(0, 256, (18, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.jpg"), cv2.resize(small, (320, 180)))
    return folder


@pytest.fixture(scope="session")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with weights that give masks of several classes."""
    return write_tiny_model(tmp_path_factory.mktemp("model"), spread=True)


@pytest.fixture(scope="session")
def reference(sharp: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an undisturbed run of one worker."""
    out = tmp_path_factory.mktemp("one")
    bddseg.infer(str(sharp), many, out, device="cpu")
    return out

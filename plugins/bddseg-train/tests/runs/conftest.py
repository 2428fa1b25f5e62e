"""Fixtures of the tests of whole runs: frames, a small network, a recipe."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from bddseg_train.recipe import Data, Evaluation, Optimizer, Recipe, Schedule

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.zoo.catalog import find_entry, format_entry

SIZE_HW = (48, 80)


def write_frames(folder: Path, names: range) -> None:
    """Draw frames with a grey road of random width under a blue sky."""
    for number in names:
        rng = np.random.default_rng(number)
        image = np.full((*SIZE_HW, 3), (90, 130, 220), np.uint8)
        labels = np.full(SIZE_HW, 2, np.uint8)
        left, right = rng.integers(0, 30), rng.integers(50, 80)
        image[24:] = (60, 120, 50)
        image[24:, left:right] = 110
        labels[24:, left:right] = 0
        image[24:, : left // 2] = 160
        labels[24:, : left // 2] = 1
        write_jpeg(folder / "images" / f"{number:03}.jpg", image)
        write_mask(folder / "masks" / f"{number:03}.png", labels)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_frames(folder / "train", range(12))
    write_frames(folder / "val", range(100, 104))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network for small frames; without dropout, which differs between processes."""
    entry = find_entry("demo")
    preprocessing = msgspec.structs.replace(entry.preprocessing, size_hw=SIZE_HW)
    options = entry.options | {"dropout": 0.0}
    path = tmp_path_factory.mktemp("model") / "model.toml"
    changed = msgspec.structs.replace(entry, options=options, preprocessing=preprocessing)
    path.write_text(format_entry(changed))
    return path


@pytest.fixture
def recipe(data: Path, model: Path) -> Recipe:
    return Recipe(
        name="tiny",
        model=str(model),
        data=Data(root=str(data)),
        transforms=(
            {"name": "resize", "size_hw": [48, 80], "ratio_range": [0.75, 1.5]},
            {"name": "crop", "max_class_share": 0.75},
            {"name": "flip"},
            {"name": "color_jitter"},
        ),
        crop_hw=SIZE_HW,
        optimizer=Optimizer(lr=0.01, weight_decay=0.0005),
        schedule=Schedule(min_lr=1e-4),
        iterations=6,
        batch_size=4,
        ema_decay=0.9,
        evaluation=Evaluation(interval=3, examples=1),
    )

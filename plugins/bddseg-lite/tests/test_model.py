"""The model that is shipped: its weights, its masks of real frames, its card."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import bddseg
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights

MODEL = "swiftnet_lite"
PACKAGE = Path(__file__).parents[1] / "bddseg_lite"
FRAMES = sorted((Path(__file__).parents[1] / "frames").glob("highway_*.jpg"))
DIRECT, BACKGROUND = 0, 2


def test_the_weights_are_small_and_in_half_precision() -> None:
    path = get_weights(find_entry(MODEL))
    assert path.stat().st_size < 3_000_000
    kinds = {str(each.dtype) for each in load_file(path).values() if each.is_floating_point()}
    assert kinds == {"torch.float16"}


def test_masks_of_real_frames_show_the_road() -> None:
    predictions = bddseg.load_model(MODEL)([str(path) for path in FRAMES])
    for prediction in predictions:
        labels = prediction.labels
        height, width = labels.shape
        # Ahead of the car, above the hood; and the sky.
        assert labels[int(0.8 * height), width // 2] == DIRECT
        assert (labels[: height // 4] == BACKGROUND).all()
        assert 0.1 < np.mean(labels != BACKGROUND) < 0.5


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "LICENSE-BDD100K.txt"])
def test_what_was_learned_from_the_dataset_carries_its_notice(name: str) -> None:
    assert "The Regents of the University of California" in (PACKAGE / name).read_text("utf-8")


def test_the_card_is_that_of_these_weights() -> None:
    digest = hashlib.sha256(get_weights(find_entry(MODEL)).read_bytes()).hexdigest()
    assert digest in (PACKAGE / "MODEL_CARD.md").read_text("utf-8")

"""Three training steps of each of the zoo's architectures, against the reference's.

The reference is mmsegmentation 0.30.0 in training mode, without dropout, with seeded weights; the
numbers of `golden/steps.json.gz` were recorded on a CPU in float32.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bddseg_train.network import TrainingNetwork
from bddseg_train.optimizer import compute_learning_rate, make_optimizer, set_learning_rate
from bddseg_train.recipe import find_recipe
from torch import Tensor, nn

from bddseg.models.build import build_network
from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.zoo.catalog import find_entry

GOLDEN = Path(__file__).parent / "golden" / "steps.json.gz"


@cache
def read_golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    return content


def make_batch(step: int) -> tuple[Tensor, Tensor]:
    """Return images and labels of a step, as the reference got them."""
    rng = np.random.default_rng(2000 + step)
    images = rng.standard_normal((2, 3, 97, 161)).astype(np.float32)
    coarse = rng.integers(0, 3, (2, 1, 7, 11))
    labels = coarse.repeat(16, axis=2).repeat(16, axis=3)[:, 0, :97, :161].copy()
    labels[:, :12] = 255
    return torch.from_numpy(images), torch.from_numpy(labels)


def describe(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, float, float, float]]:
    """Yield name, norm, product with a direction that the name gives, and the direction's norm."""
    for name, tensor in tensors.items():
        rng = np.random.default_rng(zlib.crc32(f"direction:0:{name}".encode()))
        direction = rng.standard_normal(tuple(tensor.shape)).astype(np.float32).astype(np.float64)
        values = tensor.detach().double().numpy()
        norm = float(np.linalg.norm(values))
        yield name, norm, float((values * direction).sum()), float(np.linalg.norm(direction))


def check_equal(tensors: Mapping[str, Tensor], golden: Mapping[str, Any]) -> None:
    assert tensors.keys() == golden.keys()
    for name, norm, product, direction in describe(tensors):
        expected_norm, expected_product = golden[name]
        assert norm == pytest.approx(expected_norm, rel=1e-4, abs=1e-7), name
        tolerance = 1e-3 * max(expected_norm, 1e-4) * direction
        assert product == pytest.approx(expected_product, rel=0, abs=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(read_golden()))
def test_three_steps_have_the_losses_gradients_and_weights_of_the_reference(name: str) -> None:
    golden = read_golden()[name]
    recipe = find_recipe(f"{name}_drivable_bdd100k")
    entry = find_entry(recipe.model)
    network = build_network(entry).train()
    load_seeded_weights(network)
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = TrainingNetwork(network, entry, recipe.loss)
    optimizer = make_optimizer(network, recipe.optimizer)
    for step in range(3):
        rate = compute_learning_rate(recipe, step)
        assert rate == pytest.approx(golden["rates"][step], rel=1e-9)
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        losses = training(*make_batch(step))
        losses["loss"].backward()
        expected = golden["losses"][step]
        tolerance = 1e-5 if step == 0 else 1e-3
        total = sum(value for key, value in expected.items() if "loss" in key)
        assert losses["loss"].item() == pytest.approx(total, rel=tolerance)
        if step == 0:
            found = {
                key: each.grad for key, each in network.named_parameters() if each.grad is not None
            }
            check_equal(found, golden["gradients"])
        optimizer.step()
    check_equal(network.state_dict(), golden["state"])

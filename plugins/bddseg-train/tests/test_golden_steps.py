"""Three training steps of each of the zoo's architectures, against the reference's.

The reference is mmsegmentation 0.30.0 in training mode, without dropout, with seeded weights, in
float64; see `golden/make_steps.py`.
"""

import gzip
import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bddseg_train.network import TrainingNetwork
from bddseg_train.optimizer import compute_learning_rate, make_optimizer, set_learning_rate
from bddseg_train.recipe import find_recipe
from torch import Tensor, nn

from bddseg.models.build import build_network
from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.zoo.catalog import find_entry

FOLDER = Path(__file__).parent / "golden"
NUM_STEPS = 3


@cache
def read_golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress((FOLDER / "steps.json.gz").read_bytes()))
    return content


@cache
def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_steps", FOLDER / "make_steps.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_equal(tensors: Mapping[str, Tensor], expected: Mapping[str, list[float]]) -> None:
    found = load_maker().describe(tensors)
    assert found.keys() == expected.keys()
    for name, (norm, product) in expected.items():
        assert found[name][0] == pytest.approx(norm, rel=1e-6, abs=1e-12), name
        assert found[name][1] == pytest.approx(product, rel=1e-5, abs=1e-6 * norm + 1e-12), name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(read_golden()))
def test_three_steps_have_the_losses_gradients_and_weights_of_the_reference(name: str) -> None:
    golden, maker = read_golden()[name], load_maker()
    recipe = find_recipe(name)
    entry = find_entry(recipe.model)
    network = build_network(entry).train()
    load_seeded_weights(network)
    network.double()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    training = TrainingNetwork(network, entry, recipe.loss)
    optimizer = make_optimizer(network, recipe.optimizer)
    for step in range(NUM_STEPS):
        # Those of the golden steps, whatever the number of iterations of the recipe.
        rate = compute_learning_rate(recipe, step)
        assert rate == pytest.approx(maker.compute_rate(step), rel=1e-12)
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        loss = training(*maker.make_batch(step))["loss"]
        loss.backward()
        assert loss.item() == pytest.approx(golden["losses"][step], rel=1e-6)
        if step == 0:
            named = network.named_parameters()
            check_equal({n: p.grad for n, p in named if p.grad is not None}, golden["gradients"])
        optimizer.step()
    check_equal(network.state_dict(), golden["state"])

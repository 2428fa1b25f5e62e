"""Our networks against recorded outputs of the reference implementation."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.seeded_weights import seeded_input, seeded_state

from bddseg.models.architectures import ARCHITECTURES, build_network
from bddseg.models.segmenter import Segmenter
from bddseg.zoo.catalog import find_entry, list_entries

GOLDEN = Path(__file__).parents[1] / "golden"
TOLERANCE = 1e-4  # of the output's standard deviation
BUILT = [entry.name for entry in list_entries() if entry.architecture in ARCHITECTURES.list_names()]
ZOO = [name for name in BUILT if name.endswith("_drivable_bdd100k")]
RECORDED = sorted(path.stem for path in GOLDEN.glob("*.npz"))


def build(name):
    entry = find_entry(name)
    return build_network(entry.architecture, num_classes=3, options=entry.options).eval()


def load_seeded(network):
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    arrays = seeded_state(shapes)
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    network.load_state_dict(state)


def deviation(output, golden):
    return np.abs(output.numpy() - golden).max() / golden.std()


@pytest.mark.parametrize("name", ZOO)
def test_parameters_have_the_published_names_and_shapes(name):
    published = json.loads(gzip.decompress((GOLDEN / "state_dicts.json.gz").read_bytes()))
    with torch.device("meta"):
        own = {key: list(value.shape) for key, value in build(name).state_dict().items()}
    assert own == published[name]


def test_all_models_of_the_zoo_are_built():
    assert len(ZOO) == 26
    assert len(RECORDED) == 13


@pytest.mark.parametrize("name", RECORDED)
def test_outputs_equal_the_reference(name):
    network = build(name)
    load_seeded(network)
    golden = np.load(GOLDEN / f"{name}.npz")
    with torch.inference_mode():
        for view, size_hw in (("odd", (97, 161)), ("wide", (64, 832))):
            images = torch.from_numpy(seeded_input(*size_hw))
            heads = dict(zip(("decode", "aux"), network.forward_heads(images), strict=False))
            assert {f"{view}_{head}_logits" for head in heads} == {
                key for key in golden if key.startswith(view) and key != "odd_logits"
            }
            for head, logits in heads.items():
                assert deviation(logits, golden[f"{view}_{head}_logits"]) < TOLERANCE
        logits = Segmenter(network)(torch.from_numpy(seeded_input(97, 161)))
    assert deviation(logits, golden["odd_logits"]) < TOLERANCE

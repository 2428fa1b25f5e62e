"""TwinLiteNet against recorded outputs of its authors' code with seeded weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.seeded_weights import seeded_input, seeded_state
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.errors import BddsegError
from bddseg.models.architectures import build_network
from bddseg.testing import CONTRACTS, make_example
from bddseg.zoo.catalog import find_entry

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="module")
def network():
    network = build()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    state = {name: torch.from_numpy(array) for name, array in seeded_state(shapes).items()}
    network.load_state_dict(state)
    return network.eval()


def build(**options):
    entry = find_entry("twinlitenet")
    options = dict(entry.options, **options)
    return build_network(entry.architecture, num_classes=2, options=options)


def test_parameters_have_the_published_names_and_shapes():
    published = json.loads((GOLDEN / "state_dict.json").read_text())
    own = {name: list(tensor.shape) for name, tensor in build().state_dict().items()}
    assert own == published


def test_both_decoders_equal_the_authors_code(network):
    golden = np.load(GOLDEN / "twinlitenet.npz")
    with torch.inference_mode():
        outputs = network.forward_heads(torch.from_numpy(seeded_input(72, 120)))
    for output, name in zip(outputs, ("drivable", "lanes"), strict=True):
        expected = golden[name]
        assert np.abs(output.numpy() - expected).max() < 1e-4 * expected.std()


def test_drivable_comes_first(network):
    images = torch.from_numpy(seeded_input(72, 120))
    with torch.inference_mode():
        background, drivable = network.forward_heads(images)[0][0]
        logits = network(images)[0]
    assert torch.equal(logits, torch.stack([drivable, background]))


@pytest.mark.parametrize("option", ["level2_blocks", "level3_blocks"])
def test_each_option_changes_the_network(option):
    assert len(build(**{option: 1}).state_dict()) < len(build().state_dict())


def test_the_entry_is_the_published_model():
    entry = find_entry("twinlitenet")
    assert (entry.task, entry.preprocessing.size_hw) == ("drivable_binary", (360, 640))
    assert entry.weights.md5 == "e411826b9d9994ba645e7cba06b60ee3"


def test_another_number_of_classes_is_refused():
    entry = find_entry("twinlitenet")
    with pytest.raises(BddsegError, match="2 classes, not 3"):
        build_network(entry.architecture, num_classes=3, options=entry.options)


@pytest.fixture(scope="module")
def example():
    return make_example("twinlitenet")


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract(contract, example):
    contract(example)


def test_weights_are_taken_in_only_with_the_published_checksum(tmp_path, monkeypatch):
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    other = tmp_path / "best.pth"
    torch.save(build().state_dict(), other)
    result = CliRunner().invoke(app, ["zoo", "download", "twinlitenet", "--from", str(other)])
    assert result.exit_code == 1
    assert "e411826b9d9994ba645e7cba06b60ee3" in result.stderr
    assert not list((tmp_path / "home").rglob("*.pth"))

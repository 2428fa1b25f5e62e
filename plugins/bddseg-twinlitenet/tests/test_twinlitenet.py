"""TwinLiteNet against recorded outputs of its authors' code with seeded weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from bddseg_twinlitenet.network import ChannelAttention, TwinLiteNet
from torch import nn
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.build import build_network
from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, make_example
from bddseg.testing.seeded_weights import load_seeded_weights, make_seeded_images
from bddseg.zoo.catalog import find_entry

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="module")
def network() -> TwinLiteNet:
    network = build()
    load_seeded_weights(network)
    return network.eval()


def build(**options: Any) -> TwinLiteNet:
    entry = find_entry("twinlitenet")
    network = build_network(msgspec.structs.replace(entry, options={**entry.options, **options}))
    assert isinstance(network, TwinLiteNet)
    return network


def test_parameters_have_the_published_names_and_shapes() -> None:
    published = json.loads((GOLDEN / "state_dict.json").read_text())
    own = {name: list(tensor.shape) for name, tensor in build().state_dict().items()}
    assert own == published


def test_both_decoders_equal_the_authors_code(network: TwinLiteNet) -> None:
    golden = np.load(GOLDEN / "twinlitenet.npz")
    images = make_seeded_images(72, 120)
    with torch.inference_mode():
        outputs = network.forward_heads(images)
        assert torch.equal(network(images), outputs[0])
    for output, name in zip(outputs, ("drivable", "lanes"), strict=True):
        expected = golden[name]
        assert np.abs(output.numpy() - expected).max() < 1e-4 * expected.std()


def test_predictions_have_drivable_first(network: TwinLiteNet) -> None:
    entry = find_entry("twinlitenet")
    predictor = Predictor(entry, TorchRuntime(network, entry.task, torch.device("cpu")))
    image = np.random.default_rng(0).integers(0, 256, (72, 128, 3), np.uint8)
    inputs = predictor.prepare(image)
    with torch.inference_mode():
        background, drivable = network(inputs.tensors[0][None])[0]
    logits = predictor.compute_logits([inputs])[0]
    assert torch.equal(logits, torch.stack([drivable, background]))
    assert predictor.classes == ("drivable", "background")


def test_channel_attention_in_half_precision_equals_that_in_float32() -> None:
    """The sums over 45 x 80 positions are beyond the range of half precision."""
    attention = ChannelAttention()
    nn.init.ones_(attention.gamma)
    x = 5 + torch.randn(1, 32, 45, 80, generator=torch.Generator().manual_seed(0)).half() / 100
    with torch.no_grad():
        expected = attention(x.float())
        with torch.autocast("cpu", torch.float16):
            torch.testing.assert_close(attention(x).float(), expected, rtol=2e-3, atol=0.02)


@pytest.mark.parametrize("option", ["level2_blocks", "level3_blocks"])
def test_each_option_changes_the_network(option: str) -> None:
    assert len(build(**{option: 1}).state_dict()) < len(build().state_dict())


def test_the_entry_is_the_published_model() -> None:
    entry = find_entry("twinlitenet")
    assert (entry.task, entry.preprocessing.size_hw) == ("drivable_binary", (360, 640))
    assert entry.weights.md5 == "e411826b9d9994ba645e7cba06b60ee3"


def test_another_number_of_classes_is_refused() -> None:
    entry = msgspec.structs.replace(find_entry("twinlitenet"), task="drivable", class_map=())
    with pytest.raises(BddsegError, match="2 classes, not 3"):
        build_network(entry)


@pytest.fixture(scope="module")
def example() -> Example:
    return make_example("twinlitenet")


@pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
def test_contract(contract: Callable[[Example], None], example: Example) -> None:
    contract(example)


def test_only_weights_with_the_published_checksum_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    other = tmp_path / "best.pth"
    torch.save(build().state_dict(), other)
    result = CliRunner().invoke(app, ["zoo", "download", "twinlitenet", "--from", str(other)])
    assert result.exit_code == 1
    assert "e411826b9d9994ba645e7cba06b60ee3" in result.stderr
    assert not list((tmp_path / "home").rglob("*.pth"))

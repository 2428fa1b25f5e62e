"""Each network against recorded outputs of its authors' code with seeded weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import torch
from bddseg_realtime.twinlitenet import ChannelAttention
from torch import Tensor, nn
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.data.preprocess import get_image_area
from bddseg.errors import BddsegError
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.build import build_network
from bddseg.models.network import fuse
from bddseg.record import read_record
from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, make_example
from bddseg.testing.seeded_weights import load_seeded_weights, make_seeded_images
from bddseg.zoo.catalog import find_entry

GOLDEN = Path(__file__).with_name("golden")
# Model, file of its recorded outputs, size of the recorded input.
RECORDED = [
    ("espnetv2_1024x512", "espnetv2", (64, 96)),
    ("twinlitenet", "twinlitenet", (72, 120)),
    ("twinlitenetplus_nano", "twinlitenetplus_nano", (64, 96)),
    ("twinlitenetplus_small", "twinlitenetplus_small", (64, 96)),
]
MODELS = [name for name, _, _ in RECORDED]


def build(name: str, **options: Any) -> nn.Module:
    entry = find_entry(name)
    network = build_network(msgspec.structs.replace(entry, options={**entry.options, **options}))
    load_seeded_weights(network)
    return network.eval()


def run(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return the outputs as the authors' code names and orders them."""
    with torch.inference_mode():
        outputs = network(images)
    if isinstance(outputs, Tensor):
        return {"drivable" if outputs.shape[1] == 2 else "logits": outputs}
    return {"drivable": outputs["drivable_binary"], "lanes": outputs["lane_binary"]}


@pytest.mark.parametrize(("model", "golden"), [(model, golden) for model, golden, _ in RECORDED])
def test_parameters_have_the_published_names_and_shapes(model: str, golden: str) -> None:
    published = json.loads((GOLDEN / f"{golden}.json").read_text())
    own = {name: list(tensor.shape) for name, tensor in build(model).state_dict().items()}
    assert own == published


# In float64: processors and fused layers round float32 differently, which random weights amplify.
# What is left is the rounding of the recorded outputs, up to 9.6e-5.
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("model", "golden", "size_hw"), RECORDED)
def test_outputs_equal_the_authors_code(
    model: str, golden: str, size_hw: tuple[int, int], fused: bool
) -> None:
    network = build(model).double()
    if fused:
        fuse(network)
    outputs = run(network, make_seeded_images(*size_hw).double())
    recorded = np.load(GOLDEN / f"{golden}.npz")
    for name, output in outputs.items():
        expected = recorded[name]
        assert np.abs(output.numpy() - expected).max() < 1e-4 * expected.std()


def test_lanes_of_twinlitenet_equal_the_authors_code_too() -> None:
    network = build("twinlitenet").double()
    with torch.inference_mode():
        _, lanes = network.forward_heads(make_seeded_images(72, 120).double())  # type: ignore[operator]
    expected = np.load(GOLDEN / "twinlitenet.npz")["lanes"]
    assert np.abs(lanes.numpy() - expected).max() < 1e-4 * expected.std()


@pytest.mark.parametrize("model", MODELS)
def test_predictions_have_the_classes_of_the_task(model: str) -> None:
    entry = find_entry(model)
    network: Any = build(model)
    predictor = Predictor(entry, TorchRuntime(network, entry.task, torch.device("cpu")))
    image = np.random.default_rng(0).integers(0, 256, (72, 128, 3), np.uint8)
    inputs = predictor.prepare(image)
    logits = predictor.compute_logits([inputs])[0][0]
    (output, *_) = run(network, inputs.tensors[0][None]).values()
    rows, columns = get_image_area((72, 128), entry.preprocessing)
    output = output[:, :, rows, columns]
    # The network has the background first, the task has it last.
    assert torch.equal(logits[-1], output[0, 0])
    assert torch.equal(logits[:-1], output[0, 1:])
    assert predictor.classes[-1] == "background"


def test_channel_attention_in_half_precision_equals_that_in_float32() -> None:
    """The sums over 45 x 80 positions are beyond the range of half precision."""
    attention = ChannelAttention()
    nn.init.ones_(attention.gamma)
    x = 5 + torch.randn(1, 32, 45, 80, generator=torch.Generator().manual_seed(0)).half() / 100
    with torch.no_grad():
        expected = attention(x.float())
        torch.testing.assert_close(attention.half()(x).float(), expected, rtol=2e-3, atol=0.02)


@pytest.mark.parametrize("model", MODELS[1:])
@pytest.mark.parametrize("option", ["level2_blocks", "level3_blocks"])
def test_each_option_changes_the_network(model: str, option: str) -> None:
    more = build(model, **{option: 4})
    assert len(more.state_dict()) > len(build(model).state_dict())


@pytest.mark.parametrize("model", MODELS[1:])
def test_another_number_of_classes_is_refused(model: str) -> None:
    entry = msgspec.structs.replace(find_entry(model), task="drivable", class_map=())
    with pytest.raises(BddsegError, match="2 classes, not 3"):
        build_network(entry)


def test_channels_that_are_not_three_numbers_are_refused() -> None:
    with pytest.raises(BddsegError, match=r"three levels, not \[4, 8\]"):
        build("twinlitenetplus_nano", channels=[4, 8])


@pytest.fixture(scope="module", params=MODELS)
def example(request: pytest.FixtureRequest) -> Example:
    return make_example(request.param)


@pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
def test_contract(contract: Callable[[Example], None], example: Example) -> None:
    contract(example)


@pytest.mark.parametrize("model", MODELS)
def test_only_weights_with_the_published_checksum_are_added(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    other = tmp_path / "best.pth"
    torch.save(build(model).state_dict(), other)
    result = CliRunner().invoke(app, ["zoo", "download", model, "--from", str(other)])
    assert result.exit_code == 1
    weights = find_entry(model).weights
    assert str(weights.digest) in result.stderr
    assert not list((tmp_path / "home").rglob("*.pth"))


def test_one_run_writes_the_masks_of_several_tasks(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (72, 128, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "frame.png"), image)
    weights, out = tmp_path / "seeded.pth", tmp_path / "out"
    torch.save(build("twinlitenetplus_nano").state_dict(), weights)
    words = [
        "infer",
        "twinlitenetplus_nano",
        str(tmp_path / "frame.png"),
        "--weights",
        str(weights),
    ]
    both = ["--tasks", "drivable_binary,lane_binary", "-o", str(out)]
    result = CliRunner().invoke(app, [*words, *both])
    assert result.exit_code == 0, result.output
    for task, folder in (("drivable_binary", out), ("lane_binary", out / "lane_binary")):
        record = read_record(folder)
        assert record
        assert (record.task, record.status, record.done) == (task, "finished", 1)
        alone = ["-t", task, "-o", str(tmp_path / task)]
        assert CliRunner().invoke(app, [*words, *alone]).exit_code == 0
        mask = (folder / "masks" / "frame.png").read_bytes()
        assert mask == (tmp_path / task / "masks" / "frame.png").read_bytes()
    # The same command resumes the run, and does a frame again whose lanes are missing.
    (out / "lane_binary" / "masks" / "frame.png").unlink()
    assert CliRunner().invoke(app, [*words, *both]).exit_code == 0
    assert (out / "lane_binary" / "masks" / "frame.png").is_file()
    result = CliRunner().invoke(app, [*words, *both])
    record = read_record(out)
    assert record
    assert (record.done, record.skipped) == (0, 1)

"""Networks with int8 layers."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from support import read_demo_frame, write_tiny_model

from bddseg.data.mask import read_mask
from bddseg.demo import GROUND_TRUTH, IMAGES
from bddseg.errors import BddsegError
from bddseg.inference.predictor import load_model
from bddseg.inference.quantization import layers
from bddseg.inference.quantization import quantize as module
from bddseg.inference.quantization.folder import check_out
from bddseg.inference.quantization.frames import open_frames
from bddseg.inference.quantization.quantize import QuantizationReport, quantize, rank_groups
from bddseg.inference.quantization.recorder import Recorder
from bddseg.inference.run import infer
from bddseg.inference.runtimes.openvino import list_precisions
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.specs import Entry
from bddseg.tasks.bdd100k import DRIVABLE, DRIVABLE_BINARY
from bddseg.testing.runtime import check_runtime
from bddseg.zoo.catalog import read_entry


@pytest.fixture(scope="module")
def small_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's frames and ground truth at a quarter of their size, in images/ and truth/."""
    folder = tmp_path_factory.mktemp("small")
    for source, name in ((IMAGES, "images"), (GROUND_TRUTH, "truth")):
        (folder / name).mkdir()
        for path in source.iterdir():
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert image is not None
            small = cv2.resize(image, (320, 180), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / name / path.name), small)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML of a small model whose masks hold several classes."""
    return write_tiny_model(tmp_path_factory.mktemp("model"), spread=True)


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Few groups of layers; and the network, always the same one, is exported only once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "NUM_GROUPS", 4)
        exported: dict[str, Any] = {}

        def export(entry: Entry, reference: TorchRuntime, inputs: Recorder) -> object:
            if entry.name not in exported:
                exported[entry.name] = original(entry, reference, inputs)
            return exported[entry.name]

        original = module._export
        patch.setattr(module, "_export", export)
        yield


@pytest.fixture(scope="module")
def made(
    small_frames: Path, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, QuantizationReport]:
    out = tmp_path_factory.mktemp("out") / "tiny.int8"
    truth = small_frames / "truth"
    report = quantize(model, small_frames / "images", out, ground_truth=truth, max_drop=5)
    return out, report


def test_the_entry_is_used_like_any_other_model(
    made: tuple[Path, QuantizationReport], small_frames: Path, model: Path, tmp_path: Path
) -> None:
    out, _ = made
    infer(model, small_frames / "images", tmp_path / "fp32")
    infer(out / "entry.toml", small_frames / "images", tmp_path / "int8")
    masks = sorted((tmp_path / "fp32/masks").iterdir())
    assert len(masks) == 8
    changed = [read_mask(each) != read_mask(tmp_path / "int8/masks" / each.name) for each in masks]
    assert 0 < np.mean(changed) < 0.1


def test_the_entry_carries_over_what_is_known_of_the_model(
    made: tuple[Path, QuantizationReport], model: Path
) -> None:
    out, _ = made
    before, entry = read_entry(model), read_entry(out / "entry.toml")
    assert entry.name == "tiny_int8"
    assert (entry.paper, entry.license, entry.task) == (before.paper, before.license, before.task)
    assert entry.preprocessing == before.preprocessing
    assert entry.weights.sha256 == hashlib.sha256((out / "model.xml").read_bytes()).hexdigest()


def test_the_report_says_what_was_lost_and_gained(made: tuple[Path, QuantizationReport]) -> None:
    out, report = made
    assert report.miou_before is not None
    assert report.miou_after is not None
    assert report.miou_before - report.miou_after <= 5
    assert 0 < report.changed < 10
    assert len(report.calibration_frames) == report.scored_frames == 4
    assert set(report.milliseconds) == {"torch", "openvino", "int8"}
    assert 0 < len(report.int8_layers) < report.num_layers
    assert json.loads((out / "report.json").read_text())["changed"] == report.changed


def test_a_convolution_whose_weights_are_a_part_of_others_is_int8() -> None:
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    images = ops.parameter([1, 3, 16, 16], np.float32)
    weights = ops.constant(rng.standard_normal((8, 6, 3, 3)).astype(np.float32))
    part = ops.slice(weights, [0], [3], [1], [1])
    ones = [1, 1]
    convolution = ops.convolution(images, part, ones, ones, ones, ones)
    convolution.set_friendly_name("convolution")
    model = openvino.Model([ops.relu(convolution)], [images])
    inputs = [rng.standard_normal((1, 3, 16, 16)).astype(np.float32) for _ in range(2)]
    made = layers.quantize_layers(model, inputs, {4}).make([])
    assert layers.list_int8_layers(made) == (["convolution"], 1)


def test_a_layer_is_int8_without_others_that_take_the_same_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)

    def convolve(maps: Any, channels: int, name: str) -> Any:
        weights = rng.standard_normal((channels, maps.get_output_shape(0)[1], 3, 3))
        made = ops.convolution(maps, weights.astype(np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
        made.set_friendly_name(name)
        return ops.relu(made)

    images = ops.parameter([1, 3, 16, 16], np.float32)
    first = convolve(images, 16, "first")
    second = convolve(first, 16, "second")
    wide = convolve(ops.concat([second, first], 1), 64, "wide")
    inputs = [rng.standard_normal((1, 3, 16, 16)).astype(np.float32) for _ in range(2)]
    # The first two layers have a seventh of the multiplications of the third.
    monkeypatch.setattr(layers, "NUM_GROUPS", 2)
    quantized = layers.quantize_layers(openvino.Model([wide], [images]), inputs, {5})
    assert quantized.multiplications == [
        16 * 16 * 9 * (3 * 16 + 16 * 16),
        16 * 16 * 9 * 32 * 64,
    ]
    assert layers.list_int8_layers(quantized.make([0])) == (["wide"], 3)
    assert layers.list_int8_layers(quantized.make([1])) == (["first", "second"], 3)


def test_layers_that_cost_much_and_save_little_are_first() -> None:
    assert rank_groups([0.5, 0.2, 0.4, 0.0], [100, 0, 40, 0]) == [1, 2, 0, 3]


def test_attention_and_averages_of_regions_stay_in_fp32() -> None:
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    maps = ops.parameter([1, 8, 4, 4], np.float32)
    averages = ops.matmul(maps, np.full((4, 4), 0.25, np.float32), False, False)
    tokens = ops.transpose(ops.reshape(averages, [1, 8, 16], False), [0, 2, 1])
    linear = ops.matmul(tokens, rng.standard_normal((8, 8)).astype(np.float32), False, False)
    similarity = ops.matmul(linear, linear, False, True)
    result = ops.matmul(ops.softmax(similarity, 2), linear, False, False)
    inputs = [rng.standard_normal((1, 8, 4, 4)).astype(np.float32) for _ in range(2)]
    quantized = layers.quantize_layers(openvino.Model([result], [maps]), inputs, {3})
    # Those of the product with weights: 16 tokens of 8 channels become 8 channels.
    assert sum(quantized.multiplications) == 16 * 8 * 8


def test_the_network_is_a_runtime(made: tuple[Path, QuantizationReport]) -> None:
    out, _ = made
    runtime = load_model(out / "entry.toml").runtime
    entry = read_entry(out / "entry.toml")
    with pytest.raises(BddsegError, match="takes 54x96 only"):
        check_runtime(runtime, entry)


def test_a_bin_of_another_model_is_refused(
    made: tuple[Path, QuantizationReport], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made[0], copy)
    content = bytearray((copy / "model.bin").read_bytes())
    content[100] ^= 1
    (copy / "model.bin").write_bytes(content)
    with pytest.raises(BddsegError, match=r"model\.bin is not the file that .* names"):
        load_model(copy / "entry.toml")


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_damaged_file_is_an_error(
    made: tuple[Path, QuantizationReport], tmp_path: Path, name: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made[0], copy)
    (copy / name).write_bytes((copy / name).read_bytes()[:1000])
    with pytest.raises(BddsegError, match="model"):
        load_model(copy / "entry.toml", weights=copy / "model.xml")


def test_layers_stay_in_fp32_until_few_pixels_change(
    small_frames: Path, model: Path, tmp_path: Path
) -> None:
    report = quantize(model, small_frames / "images", tmp_path / "out", max_drop=2.5)
    assert report.changed <= 2.5
    assert report.miou_after is None
    assert report.trials[0]["changed"] > 2.5
    assert 0 < len(report.int8_layers) < report.num_layers


def test_other_layers_are_bf16_where_the_cpu_has_it(
    made: tuple[Path, QuantizationReport], small_frames: Path, model: Path, tmp_path: Path
) -> None:
    if "bf16" not in list_precisions():
        pytest.skip("this CPU has no bf16")
    frames, truth = small_frames / "images", small_frames / "truth"
    report = quantize(
        model, frames, tmp_path / "made", ground_truth=truth, max_drop=5, precision="bf16"
    )
    assert report.precision == "bf16"
    # It was scored in bf16, too.
    assert report.trials[0]["changed"] != made[1].trials[0]["changed"]
    assert report.trials[0]["changed"] == pytest.approx(made[1].trials[0]["changed"], abs=2)
    runtime = load_model(tmp_path / "made/entry.toml", precision="bf16").runtime
    images = torch.rand(1, 3, 54, 96)
    logits = runtime.infer(images)["drivable"]
    exact = runtime.in_float32().infer(images)["drivable"]
    assert not torch.equal(logits, exact)
    assert torch.nn.functional.cosine_similarity(logits.ravel(), exact.ravel(), dim=0) > 0.99


def test_a_precision_that_openvino_lacks_is_refused(
    small_frames: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match="OpenVINO does not compute in fp16"):
        quantize(model, small_frames / "images", tmp_path / "out", precision="fp16")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_where_the_drop_cannot_be_met(
    small_frames: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match="0 is allowed"):
        quantize(model, small_frames / "images", tmp_path / "out", max_drop=0)
    assert not list(tmp_path.iterdir())


def test_weights_that_do_not_fit_are_an_error(
    small_frames: Path, tmp_path: Path, tiny: Path
) -> None:
    with pytest.raises(BddsegError, match=r"tiny\.pth"):
        quantize(
            "demo",
            small_frames / "images",
            tmp_path / "out",
            weights=tiny.parent / "tiny.pth",
        )


def test_a_quantized_model_is_not_quantized_again(
    made: tuple[Path, QuantizationReport], small_frames: Path, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match="a file of the runtime 'openvino'"):
        quantize(made[0] / "entry.toml", small_frames / "images", tmp_path / "out")


def test_a_missing_package_is_named(
    small_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(BddsegError, match="'bddseg\\[quantize\\]'"):
        quantize("demo", small_frames / "images", tmp_path / "out")


def test_frames_of_two_sizes_are_an_error(frames: Path, tmp_path: Path, tiny: Path) -> None:
    for number in range(4):
        shutil.copy(frames / "a.jpg", frames / f"a{number}.jpg")
    with pytest.raises(BddsegError, match="Give frames of one size"):
        quantize(tiny, frames, tmp_path / "out")


def test_too_few_frames_are_an_error(frames: Path) -> None:
    with pytest.raises(BddsegError, match="holds 5 frames, and quantization needs at least 8"):
        open_frames(frames, DRIVABLE)


@pytest.mark.parametrize(
    ("levels", "found"), [([9, 30, 60, 90], "of one color each"), ([None], "all the same")]
)
def test_frames_without_information_are_an_error(
    tmp_path: Path, levels: list[int | None], found: str
) -> None:
    for number in range(8):
        level = levels[number // 2 % len(levels)]
        image = read_demo_frame(2).frame if level is None else np.full((9, 16, 3), level, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    with pytest.raises(BddsegError, match=found):
        open_frames(tmp_path, DRIVABLE)


def test_missing_ground_truth_is_an_error(small_frames: Path, tmp_path: Path) -> None:
    shutil.copytree(small_frames / "truth", tmp_path / "truth")
    (tmp_path / "truth/scene-004.png").unlink()
    with pytest.raises(BddsegError, match=r"for 1 of the 4 frames to score, such as scene-004"):
        open_frames(small_frames / "images", DRIVABLE, ground_truth=tmp_path / "truth")


def test_ground_truth_of_three_classes_is_mapped_for_a_model_of_two(small_frames: Path) -> None:
    truth = small_frames / "truth"
    frames = open_frames(small_frames / "images", DRIVABLE_BINARY, ground_truth=truth)
    assert "direct and alternative to drivable" in frames.notes[0]
    for name, labels in frames.truth.items():
        expected = (read_mask(truth / f"{name}.png") == 2).astype(np.uint8)
        assert np.array_equal(labels.read(), expected)  # type: ignore[arg-type]


def test_ground_truth_of_another_size_is_an_error(
    small_frames: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match=r"is 1280x720, but its frame .* is 320x180"):
        quantize(model, small_frames / "images", tmp_path / "out", ground_truth=GROUND_TRUTH)


def test_only_an_earlier_result_is_replaced(
    made: tuple[Path, QuantizationReport], tmp_path: Path
) -> None:
    check_out(tmp_path, overwrite=False)
    with pytest.raises(BddsegError, match="use --overwrite"):
        check_out(made[0], overwrite=False)
    check_out(made[0], overwrite=True)
    (tmp_path / "photo.jpg").touch()
    for path in (tmp_path, tmp_path / "photo.jpg"):
        with pytest.raises(BddsegError, match="holds no quantized model"):
            check_out(path, overwrite=True)

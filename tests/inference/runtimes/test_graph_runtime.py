"""Runtimes that run graphs of an entry's network."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, cast

import msgspec
import numpy as np
import onnx
import openvino
import pytest
import torch
from torch import nn

from bddseg.errors import BddsegError
from bddseg.inference.predictor import load_model
from bddseg.inference.runtimes import graph_runtime, graphs
from bddseg.inference.runtimes.graph_runtime import GraphRuntime
from bddseg.inference.runtimes.graphs import ExportedGraphs
from bddseg.inference.runtimes.onnx import OnnxRuntime
from bddseg.inference.runtimes.openvino import OpenVinoRuntime, compile_on_cpu
from bddseg.inference.threads import restore_num_threads, set_num_threads
from bddseg.models.winograd import WinogradConv2d
from bddseg.specs import Entry
from bddseg.testing import check_runtime
from bddseg.types import Image
from bddseg.zoo.download import get_weights

RUNTIMES: list[type[GraphRuntime]] = [OnnxRuntime, OpenVinoRuntime]


def load(runtime: type[GraphRuntime], entry: Entry) -> GraphRuntime:
    return runtime.load(entry, get_weights(entry), device="cpu", precision="fp32")


@pytest.mark.usefixtures("shared_graphs")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_fulfills_its_contract(runtime: type[GraphRuntime], small: Entry) -> None:
    fixed = msgspec.structs.replace(small.preprocessing, keep_ratio=False)
    entry = msgspec.structs.replace(small, preprocessing=fixed)
    check_runtime(load(runtime, entry), entry)


@pytest.mark.usefixtures("shared_graphs")
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_labels_are_those_of_torch_and_nothing_is_sent(
    runtime: str, small: Entry, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    mapped = msgspec.structs.replace(small, class_map=(2, 0, 1))
    expected = load_model(mapped, device="cpu")(image).labels
    assert len(np.unique(expected)) == 3
    monkeypatch.setattr(socket, "socket", refuse)
    found = load_model(mapped, runtime=runtime, device="cpu")(image).labels
    assert (found == expected).mean() > 0.999


@pytest.mark.usefixtures("shared_graphs")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_logits_of_a_call_are_not_changed_by_later_calls(
    runtime: type[GraphRuntime], small: Entry
) -> None:
    loaded = load(runtime, small)
    images = torch.randn(2, 3, 64, 96)
    first = loaded.infer(images[:1])["drivable"]
    kept = first.clone()
    both = loaded.infer(images)["drivable"]
    assert torch.equal(first, kept)
    assert torch.equal(both[:1], kept)
    assert not torch.equal(both[1:], kept)


@pytest.mark.usefixtures("shared_graphs")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_images_computed_in_parallel_have_the_same_logits(
    runtime: type[GraphRuntime], small: Entry
) -> None:
    images = [*torch.randn(12, 1, 3, 64, 96)]
    with restore_num_threads():
        set_num_threads(1)
        expected = [*map(load(runtime, small).infer, images)]
        set_num_threads(3, num_parallel=3)
        loaded = load(runtime, small)
        with ThreadPoolExecutor(6) as pool:
            found = [*pool.map(loaded.infer, images)]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one["drivable"], other["drivable"])


@pytest.mark.usefixtures("shared_graphs")
def test_openvino_compiles_a_graph_for_each_image_that_is_computed_in_parallel(
    small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def compile_and_count(*arguments: Any) -> object:
        compiled.append(compile_on_cpu(*arguments))
        return compiled[-1]

    monkeypatch.setattr("bddseg.inference.runtimes.openvino.compile_on_cpu", compile_and_count)
    images = [*torch.randn(40, 1, 3, 64, 96)]
    with restore_num_threads():
        set_num_threads(2, num_parallel=2)
        loaded = load(OpenVinoRuntime, small)
        loaded.infer(images[0])
        loaded.infer(images[1])
        assert len(compiled) == 1
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(loaded.infer, images))
    assert len(compiled) == 2


@pytest.mark.usefixtures("shared_graphs")
def test_views_of_an_image_give_what_copies_give(small: Entry) -> None:
    images = torch.randn(1, 3, 96, 64)
    view = images.transpose(2, 3)
    for runtime in RUNTIMES:
        loaded = load(runtime, small)
        expected = loaded.infer(view.contiguous())["drivable"]
        assert torch.equal(loaded.infer(view)["drivable"], expected)


@pytest.mark.usefixtures("shared_graphs")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_half_precision_that_a_runtime_lacks_is_refused(
    runtime: type[GraphRuntime], small: Entry
) -> None:
    with pytest.raises(BddsegError, match="in fp16"):
        runtime.load(small, get_weights(small), device="cpu", precision="fp16")


@pytest.mark.usefixtures("shared_graphs")
def test_a_network_in_half_precision_is_compiled_once_in_float32(small: Entry) -> None:
    weights = get_weights(small)
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    half = OpenVinoRuntime.load(small, weights, device="cpu", precision="bf16")
    exact = half.in_float32()
    assert half.in_float32() is exact
    assert exact.in_float32() is exact
    images = torch.randn(1, 3, 64, 96)
    expected = load(OpenVinoRuntime, small).infer(images)["drivable"]
    assert torch.equal(exact.infer(images)["drivable"], expected)
    assert not torch.equal(half.infer(images)["drivable"], expected)


@pytest.mark.usefixtures("shared_graphs")
def test_the_graphs_of_the_last_sizes_stay_compiled(
    small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_runtime, "_MAX_COMPILED", 2)
    loaded = load(OnnxRuntime, small)
    assert loaded.graphs
    content = loaded.graphs.read((64, 96))
    sizes: list[tuple[int, int]] = []

    def read(size_hw: tuple[int, int]) -> bytes:
        sizes.append(size_hw)
        return content

    monkeypatch.setattr(loaded.graphs, "read", read)
    for size in [(1, 1), (2, 2), (1, 1), (3, 3), (1, 1), (2, 2)]:
        loaded._get_graph(size)
    assert sizes == [(1, 1), (2, 2), (3, 3), (2, 2)]


class Wide(nn.Module):
    """A network with a convolution that OpenVINO computes as matrix products."""

    align_corners = False

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        wide = WinogradConv2d(nn.Conv2d(192, 192, 3, padding=2, dilation=2))
        self.layers = nn.Sequential(nn.Conv2d(3, 192, 1), wide, nn.Conv2d(192, 3, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.layers(images))


@pytest.mark.parametrize(("runtime", "num_convs"), [(OpenVinoRuntime, 2), (OnnxRuntime, 3)])
def test_wide_convolutions_become_matrix_products_in_openvino(
    runtime: type[GraphRuntime], num_convs: int, small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Wide().eval()
    monkeypatch.setattr(graphs, "load_network", lambda *_: network)
    images = torch.randn(1, 3, 28, 44)
    loaded = load(runtime, small)
    found = loaded.infer(images)["drivable"]
    with torch.inference_mode():
        assert torch.allclose(found, network(images), atol=1e-5)
    assert loaded.graphs
    graph = onnx.load_from_string(loaded.graphs.read((28, 44))).graph
    assert sum(node.op_type == "Conv" for node in graph.node) == num_convs


@pytest.mark.usefixtures("shared_graphs")
def test_half_precision_has_convolutions_in_openvino(small: Entry) -> None:
    weights = get_weights(small)
    graphs = OpenVinoRuntime(small, weights, "bf16").graphs
    assert graphs
    assert graphs.get_path((8, 8)) == ExportedGraphs(small, weights).get_path((8, 8))


class Gamma(nn.Module):
    """A network with an operation that runtimes lack."""

    align_corners = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.igamma(images)


def test_an_operation_that_cannot_be_exported_is_named(
    small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "load_network", lambda *_: Gamma())
    runtime = load(OpenVinoRuntime, small)
    with pytest.raises(BddsegError, match=r"cannot be exported .*prims\.igamma"):
        runtime.infer(torch.zeros(1, 3, 8, 8))


def test_damaged_weights_are_refused_before_a_frame_is_read(small: Entry, tmp_path: Path) -> None:
    path = tmp_path / "damaged.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(BddsegError, match="cannot be read as a checkpoint"):
        OpenVinoRuntime.load(small, path, device="cpu", precision="fp32")
    with pytest.raises(BddsegError, match="There is no weights file"):
        OpenVinoRuntime.load(small, tmp_path / "none.pth", device="cpu", precision="fp32")

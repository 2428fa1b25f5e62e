"""The runtime auto."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from bddseg.cli.cache.clear import clear_graphs
from bddseg.data.mask import read_mask
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.run import infer
from bddseg.inference.runtimes import auto, graph_cache
from bddseg.inference.runtimes.auto import AutoRuntime
from bddseg.inference.runtimes.graphs import ExportedGraphs
from bddseg.inference.runtimes.openvino import OpenVinoRuntime
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.record import RunRecord
from bddseg.specs import Entry
from bddseg.testing import check_runtime
from bddseg.types import Image
from bddseg.zoo.cache import get_cache_folder
from bddseg.zoo.download import get_weights


@pytest.fixture(autouse=True)
def _cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TorchRuntime, "list_devices", lambda: ["cpu"])
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.fixture
def own_graph(small: Entry, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the graph, of which no comparison is known."""
    own_home = str(get_cache_folder())
    monkeypatch.setenv("BDDSEG_HOME", str(shared_home))
    graphs = ExportedGraphs(small, get_weights(small), winograd=True)
    content = graphs.read((64, 96))
    shared = graphs.get_path((64, 96))
    monkeypatch.setenv("BDDSEG_HOME", own_home)
    path = graph_cache.get_folder() / shared.name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    shutil.copy(shared.with_suffix(".json"), path.with_suffix(".json"))
    info = graph_cache.read_info(path)
    assert info
    graph_cache.write_info(path, msgspec.structs.replace(info, comparisons={}))
    yield path


def slow_down(
    runtime: type[TorchRuntime | OpenVinoRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = runtime.infer

    def infer_slowly(self: Any, images: Any) -> Any:
        time.sleep(0.05)
        return infer(self, images)

    monkeypatch.setattr(runtime, "infer", infer_slowly)


def load(entry: Entry) -> tuple[Predictor, AutoRuntime]:
    model = load_model(entry, runtime="auto")
    assert isinstance(model.runtime, AutoRuntime)
    return model, model.runtime


def fail(*_: object, **__: object) -> NoReturn:
    raise AssertionError("torch was loaded")


def tamper(path: Path) -> None:
    """Let the network prefer the class that it prefers least."""
    model = onnx.load_model_from_string(path.read_bytes())
    (weight,) = (each for each in model.graph.initializer if "conv_seg.weight" in each.name)
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    content = model.SerializeToString()
    info = graph_cache.read_info(path)
    assert info
    digest = hashlib.sha256(content).hexdigest()
    graph_cache.store_graph(path, content, msgspec.structs.replace(info, sha256=digest))


def test_it_fulfills_the_contract_of_runtimes(small: Entry, own_graph: Path) -> None:
    fixed = msgspec.structs.replace(small.preprocessing, keep_ratio=False)
    entry = msgspec.structs.replace(small, preprocessing=fixed)
    check_runtime(load(entry)[1], entry)


def test_it_is_openvino_where_that_is_faster_and_torch_is_not_asked_again(
    small: Entry, own_graph: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(TorchRuntime, monkeypatch)
    model, runtime = load(small)
    assert runtime.chosen == ""
    expected = model(image).labels
    assert runtime.chosen == "openvino"
    info = graph_cache.read_info(own_graph)
    assert info
    (comparison,) = info.comparisons.values()
    assert (comparison.parity, comparison.speedup > 1) == (1.0, True)
    monkeypatch.setattr(TorchRuntime, "load", fail)
    model, runtime = load(small)
    assert np.array_equal(model(image).labels, expected)
    assert runtime.chosen == "openvino"


def test_it_is_torch_where_that_is_faster_and_openvino_is_not_asked_again(
    small: Entry, own_graph: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(OpenVinoRuntime, monkeypatch)
    expected = load_model(small)(image).labels
    for _ in range(2):
        model, runtime = load(small)
        assert np.array_equal(model(image).labels, expected)
        assert (runtime.chosen, runtime.speedup and runtime.speedup < 1) == ("torch", True)
        monkeypatch.setattr(OpenVinoRuntime, "infer", fail)


def test_each_number_of_threads_is_measured(small: Entry, own_graph: Path, image: Image) -> None:
    number = torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            load_model(small, runtime="auto", num_threads=threads)(image)
    finally:
        torch.set_num_threads(number)
    info = graph_cache.read_info(own_graph)
    assert info
    assert len(info.comparisons) == 2


def test_an_export_that_failed_is_tried_again_only_after_cache_clear(
    small: Entry, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise BddsegError("ONNX has no operation Foo")

    with monkeypatch.context() as patch:
        patch.setattr("bddseg.inference.runtimes.graphs.export_onnx", refuse)
        with pytest.warns(BddsegWarning, match=r"ONNX has no operation Foo.*torch is used"):
            load(small)[0](image)
    for _ in range(2):
        model, runtime = load(small)
        with pytest.warns(BddsegWarning, match=r"In an earlier run: ONNX has.*cache clear --all"):
            model(image)
        assert runtime.chosen == "torch"
    clear_graphs(everything=True)
    slow_down(TorchRuntime, monkeypatch)
    model, runtime = load(small)
    model(image)
    assert runtime.chosen == "openvino"


def test_it_is_torch_with_a_warning_where_labels_differ(
    small: Entry, own_graph: Path, image: Image
) -> None:
    tamper(own_graph)
    expected = load_model(small)(image).labels
    share = 100 * (load_model(small, runtime="openvino")(image).labels == expected).mean()
    assert share < 20
    for _ in range(2):
        model, runtime = load(small)
        with pytest.warns(BddsegWarning, match=f"With OpenVINO, {share:.2f} % of the first"):
            labels = model(image).labels
        assert np.array_equal(labels, expected)
        assert runtime.chosen == "torch"


def test_it_is_torch_with_a_warning_where_openvino_cannot_run_the_network(
    small: Entry, own_graph: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("no kernel for Foo")

    monkeypatch.setattr(OpenVinoRuntime, "_compile", refuse)
    model, runtime = load(small)
    with pytest.warns(BddsegWarning, match=r"cannot run tiny: no kernel for Foo.*torch is used"):
        model(image)
    assert runtime.chosen == "torch"
    with pytest.raises(BddsegError, match="cannot run tiny: no kernel for Foo"):
        load_model(small, runtime="openvino")(image)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("platform.machine", "aarch64"),
        ("bddseg.inference.runtimes.auto.TorchRuntime.list_devices", ["cpu", "cuda:0"]),
        ("bddseg.inference.runtimes.auto.find_spec", None),
    ],
)
def test_it_is_torch_on_other_machines_and_without_openvino(
    small: Entry, name: str, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name, lambda *_: found)
    monkeypatch.setattr(OpenVinoRuntime, "load", fail)
    # Without a warning.
    assert load(small)[1].chosen == "torch"


def make_frames(folder: Path) -> Path:
    """Write a damaged frame and two others."""
    import cv2

    folder.mkdir()
    (folder / "a.png").write_bytes(b"nothing")
    rng = np.random.default_rng(0)
    for name in ("b", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 256, (64, 96, 3), np.uint8))
    return folder


def test_a_run_decides_once_and_its_record_names_the_runtime(
    small: Entry, own_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(TorchRuntime, monkeypatch)
    frames = make_frames(tmp_path / "frames")

    def run(out: str, runtime: str, num_workers: int = 1) -> RunRecord:
        record = infer(small, frames, tmp_path / out, runtime=runtime, num_workers=num_workers)
        assert record
        assert len(record.failures) == 1
        return record

    record = run("auto", "auto", 2)
    assert (record.identity["runtime"], record.done) == ("openvino", 2)
    run("torch", "torch")
    for name in ("b.png", "c.png"):
        found, expected = (read_mask(tmp_path / out / "masks" / name) for out in ("auto", "torch"))
        assert (found == expected).mean() > 0.999
    # Resumed, it keeps its runtime, whatever would be chosen now.
    (tmp_path / "auto" / "masks" / "b.png").unlink()
    monkeypatch.setattr(auto, "find_spec", lambda _: None)
    record = run("auto", "auto")
    assert (record.identity["runtime"], record.done, record.skipped) == ("openvino", 1, 1)
    assert run("other", "auto").identity["runtime"] == "torch"


def test_workers_that_others_started_need_the_name_of_a_runtime(
    small: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_frames(tmp_path / "frames")
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BddsegError, match="one process has to start all workers"):
        infer(small, frames, tmp_path / "out", runtime="auto")

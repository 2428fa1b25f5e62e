"""Models in ONNX files: networks of any framework, with a TOML file of ours."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from support import Run

from bddseg.errors import BddsegError
from bddseg.inference.predictor import load_model
from bddseg.inference.runtimes.graph_runtime import GraphRuntime
from bddseg.inference.runtimes.onnx import OnnxRuntime
from bddseg.inference.runtimes.openvino import OpenVinoRuntime
from bddseg.specs import Entry, Preprocessing, Weights
from bddseg.testing import check_runtime

SIZE_HW = (36, 64)
# A 1x1 convolution: background, drivable.
KERNEL = np.array([[0.1, -0.2, 0.3], [-0.3, 0.2, 0.1]], np.float32).reshape(2, 3, 1, 1)


def write_model(
    path: Path,
    *,
    shape: tuple[int | str, ...] = (1, 3, *SIZE_HW),
    outputs: tuple[str, ...] = ("area",),
    kernel: TensorProto | None = None,
) -> Path:
    """Write a network of one convolution for each output."""
    weight = kernel or numpy_helper.from_array(KERNEL, "kernel")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "kernel"], [name]) for name in outputs],
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (shape[0], 2, *shape[2:]))
            for name in outputs
        ],
        [weight],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


@pytest.fixture
def entry() -> Entry:
    return Entry(
        name="own",
        title="Own",
        task="drivable_binary",
        runtime="onnx",
        class_map=(1, 0),
        preprocessing=Preprocessing(
            size_hw=SIZE_HW, pad_value=114, mean=(0, 0, 0), std=(255, 255, 255)
        ),
    )


def load(entry: Entry, path: Path) -> OnnxRuntime:
    return OnnxRuntime.load(entry, path, device="auto", precision="fp32")


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("runtime", [OnnxRuntime, OpenVinoRuntime])
def test_a_runtime_fulfills_its_contract(
    tmp_path: Path, entry: Entry, batch: int | str, runtime: type[GraphRuntime]
) -> None:
    path = write_model(tmp_path / "own.onnx", shape=(batch, 3, *SIZE_HW))
    check_runtime(runtime.load(entry, path, device="auto", precision="fp32"), entry)


@pytest.mark.parametrize("runtime", [OnnxRuntime, OpenVinoRuntime])
def test_denormal_numbers_are_zero_in_a_thread_that_calls(
    tmp_path: Path, entry: Entry, runtime: type[GraphRuntime]
) -> None:
    kernel = numpy_helper.from_array(np.full((2, 3, 1, 1), 0.5, np.float32), "kernel")
    path = write_model(tmp_path / "own.onnx", kernel=kernel)
    loaded = runtime.load(entry, path, device="auto", precision="fp32")
    # As bits: where denormal numbers are zero, no arithmetic makes them.
    images = torch.full((1, 3, *SIZE_HW), 100_000, dtype=torch.int32).view(torch.float32)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(torch.set_flush_denormal, False).result()
        found = pool.submit(loaded.infer, images).result()[entry.task]
    assert not found.view(torch.int32).count_nonzero()


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_labels_are_those_of_the_network_in_the_order_of_the_task(
    tmp_path: Path, entry: Entry, runtime: str
) -> None:
    path = write_model(tmp_path / "own.onnx")
    model = load_model(entry, weights=path, runtime=runtime)
    # Of the size of the input: nothing is interpolated.
    image = np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), np.uint8)
    logits = np.einsum("ki,hwi->khw", KERNEL[:, :, 0, 0], image / 255)
    clear = np.abs(logits[0] - logits[1]) > 1e-5
    expected = np.where(logits[1] > logits[0], 0, 1)
    assert clear.mean() > 0.99
    assert np.array_equal(model(image).labels[clear], expected[clear])


def test_a_toml_file_beside_an_onnx_file_is_a_model(tmp_path: Path, run: Run, frames: Path) -> None:
    write_model(tmp_path / "own.onnx", outputs=("area", "lanes"))
    toml = tmp_path / "own.toml"
    toml.write_text(
        f"""
        name = "own"
        title = "Own"
        task = "drivable_binary"
        runtime = "onnx"
        class_map = [1, 0]
        [options.outputs]
        drivable_binary = "area"
        [preprocessing]
        size_hw = {list(SIZE_HW)}
        keep_ratio = false
        mean = [0, 0, 0]
        std = [255, 255, 255]
        [weights]
        file = "own.onnx"
        """
    )
    code, _, stderr = run("infer", toml, frames, "-o", tmp_path / "out")
    assert code == 0, stderr
    record = msgspec.json.decode((tmp_path / "out" / "run.json").read_bytes())
    assert record["identity"]["runtime"] == "onnx"
    code, _, stderr = run("infer", toml, frames, "-o", tmp_path / "out2", "--runtime", "torch")
    assert code == 1
    assert "own has no architecture: its network is in its file" in stderr


def test_each_task_has_an_output(tmp_path: Path, entry: Entry) -> None:
    path = write_model(tmp_path / "own.onnx", outputs=("area", "lanes"))
    with pytest.raises(BddsegError, match="has the outputs area, lanes; the entry own has to say"):
        load(entry, path)
    named = msgspec.structs.replace(entry, options={"outputs": {"drivable_binary": "area"}})
    assert set(load(named, path).infer(torch.zeros(1, 3, *SIZE_HW))) == {"drivable_binary"}


@pytest.mark.parametrize(
    ("shape", "cause"),
    [
        ((1, 3, 40, 64), "takes images of 40x64 pixels .* but the entry own says 36x64"),
        ((1, 4, *SIZE_HW), r"has the input images tensor\(float\) \[1, 4, 36, 64\]"),
    ],
)
def test_a_file_with_another_input_than_the_entry_says_is_refused(
    tmp_path: Path, entry: Entry, shape: tuple[int, ...], cause: str
) -> None:
    with pytest.raises(BddsegError, match=cause):
        load(entry, write_model(tmp_path / "own.onnx", shape=shape))


def test_a_file_of_fixed_size_needs_an_entry_that_makes_that_size(
    tmp_path: Path, entry: Entry
) -> None:
    free = msgspec.structs.replace(
        entry, preprocessing=msgspec.structs.replace(entry.preprocessing, pad_value=None)
    )
    with pytest.raises(BddsegError, match="the entry own says any size that fits"):
        load(free, write_model(tmp_path / "own.onnx"))
    load(free, write_model(tmp_path / "any.onnx", shape=("N", 3, "H", "W")))


def test_another_number_of_classes_is_refused(tmp_path: Path, entry: Entry) -> None:
    three = msgspec.structs.replace(entry, task="drivable", class_map=())
    with pytest.raises(BddsegError, match=r"expected float logits \(N, 3, h, w\)"):
        load(three, write_model(tmp_path / "own.onnx"))


def test_a_class_map_that_misses_a_class_is_refused(tmp_path: Path, entry: Entry) -> None:
    wrong = msgspec.structs.replace(entry, class_map=(0, 0))
    with pytest.raises(BddsegError, match="does not cover the class ids 0 to 1"):
        load(wrong, write_model(tmp_path / "own.onnx"))


@pytest.mark.parametrize("location", ["other.bin", "../secret.bin", "/etc/hostname"])
def test_tensors_in_other_files_are_refused(tmp_path: Path, entry: Entry, location: str) -> None:
    kernel = numpy_helper.from_array(KERNEL, "kernel")
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value=location)
    path = write_model(tmp_path / "own.onnx", kernel=kernel)
    with pytest.raises(BddsegError, match=f"keeps the tensor kernel in another file: {location}"):
        load(entry, path)


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 16])
def test_a_damaged_file_is_refused(tmp_path: Path, entry: Entry, content: bytes) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(content)
    with pytest.raises(BddsegError, match="cannot be read as an ONNX file"):
        load(entry, path)


def test_options_that_do_not_exist_are_refused(tmp_path: Path, entry: Entry) -> None:
    wrong = msgspec.structs.replace(entry, options={"depth": 5})
    with pytest.raises(BddsegError, match="align_corners, not depth"):
        load(wrong, write_model(tmp_path / "own.onnx"))


@pytest.mark.parametrize(("device", "precision"), [("cuda", "fp32"), ("cpu", "fp16")])
def test_a_device_or_precision_that_it_lacks_is_refused(
    tmp_path: Path, entry: Entry, device: str, precision: str
) -> None:
    path = write_model(tmp_path / "own.onnx")
    with pytest.raises(BddsegError, match="The runtime 'onnx'"):
        OnnxRuntime.load(entry, path, device=device, precision=precision)  # type: ignore[arg-type]


def test_an_entry_without_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match="architecture is missing"):
        Entry(
            name="own",
            title="Own",
            task="drivable",
            preprocessing=Preprocessing(size_hw=SIZE_HW, mean=(0, 0, 0), std=(1, 1, 1)),
            weights=Weights(),
        )


@pytest.mark.parametrize("runtime", [OnnxRuntime, OpenVinoRuntime])
def test_an_operation_that_a_runtime_lacks_is_named(
    tmp_path: Path, entry: Entry, runtime: type[GraphRuntime]
) -> None:
    path = write_model(tmp_path / "own.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Strange"
    onnx.save(model, path)
    with pytest.raises(BddsegError, match=r"cannot be read as an ONNX file: .*Strange"):
        runtime.load(entry, path, device="cpu", precision="fp32")

"""The runtime tensorrt, without a GPU: what it asks ONNX Runtime for, and what it refuses."""

from typing import Any

import onnxruntime
import pytest
import torch

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.tensorrt import TensorRtRuntime
from bddseg.specs import Entry, Precision
from bddseg.zoo.download import get_weights

Providers = list[tuple[str, dict[str, object]]]


class FakeSession:
    """ONNX Runtime's session on the CPU, which says that it is TensorRT's."""

    asked: Providers
    loaded = ("TensorrtExecutionProvider",)
    make: Any = onnxruntime.InferenceSession

    def __init__(self, content: bytes, sess_options: object, providers: Providers) -> None:
        FakeSession.asked = providers
        self._real = FakeSession.make(content, sess_options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> tuple[str, ...]:
        return self.loaded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    names = ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)


def load(entry: Entry, device: str, precision: Precision = "fp32") -> TensorRtRuntime:
    return TensorRtRuntime.load(entry, get_weights(entry), device=device, precision=precision)


@pytest.mark.usefixtures("shared_graphs", "_gpu")
def test_the_graph_is_given_to_tensorrt_on_the_chosen_gpu(small: Entry) -> None:
    runtime = load(small, "cuda:1", "fp16")
    assert runtime.infer(torch.zeros(1, 3, 64, 96))["drivable"].shape == (1, 3, 64, 96)
    (name, options), (others, _) = FakeSession.asked
    assert (name, others) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert (options["device_id"], options["trt_fp16_enable"]) == (1, True)
    exact = runtime.in_float32()
    exact.infer(torch.zeros(1, 3, 64, 96))
    assert "trt_fp16_enable" not in FakeSession.asked[0][1]


@pytest.mark.usefixtures("shared_graphs", "_gpu")
def test_a_session_that_did_not_load_tensorrt_is_refused(
    small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSession, "loaded", ("CPUExecutionProvider",))
    with pytest.raises(BddsegError, match="TensorRT could not be loaded"):
        load(small, "auto").infer(torch.zeros(1, 3, 64, 96))


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("device", ["cpu", "cuda:2", "cuda:x"])
def test_other_devices_are_refused(small: Entry, device: str) -> None:
    with pytest.raises(BddsegError, match=r"no device .* finds cuda:0, cuda:1"):
        load(small, device)


def test_an_onnx_runtime_without_tensorrt_is_refused(
    small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(
        BddsegError, match=r"knows only CPUExecutionProvider\. .*bddseg\[tensorrt\]"
    ):
        load(small, "auto")

"""The runtime torch: TF32, and compiled networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from inference.fake_gpu import GPU, use_fake_gpu
from models.small import make_small_entry
from torch import Tensor, nn
from torch._inductor import config
from torch._inductor.exc import InductorError

import bddseg
from bddseg.errors import BddsegError
from bddseg.inference.runtimes.torch import TorchRuntime, set_tf32
from bddseg.specs import Precision


class Small(nn.Module):
    align_corners = False

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.conv(images).relu()
        return logits


def read_switches() -> tuple[str, str]:
    backends: Any = torch.backends
    return backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", "ieee"), ("tf32", "tf32"), ("fp16", "ieee")]
)
def test_float32_on_a_gpu_is_tf32_only_on_request(precision: Precision, expected: str) -> None:
    before = read_switches()
    with use_fake_gpu(make_small_entry("pspnet"), precision) as runtime, torch.no_grad():
        seen = []
        runtime.network.register_forward_hook(  # type: ignore[attr-defined]
            lambda *_: seen.append(read_switches())
        )
        runtime.infer(torch.empty(1, 3, 64, 96, device=GPU))
    assert seen == [(expected, expected)]
    assert read_switches() == before


def test_the_switches_of_the_process_are_as_before_after_an_error() -> None:
    before = read_switches()
    with pytest.raises(ZeroDivisionError), set_tf32(before[1] != "tf32"):
        assert read_switches() != before
        1 / 0  # noqa: B018
    assert read_switches() == before


def test_only_gpus_compute_in_tf32(tiny: Path) -> None:
    with pytest.raises(BddsegError, match="Only CUDA GPUs compute in tf32, not cpu"):
        bddseg.load_model(str(tiny), device="cpu", precision="tf32")


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_compiled_network_has_equal_logits() -> None:
    runtime = TorchRuntime(Small().eval(), "drivable", torch.device("cpu"))
    images = torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = runtime.infer(images)["drivable"]
        runtime.compile()
        compiled = runtime.infer(images)["drivable"]
        # It is compiled indeed: a change of the network's weights has no effect.
        nn.init.zeros_(runtime.network.conv.weight)  # type: ignore[attr-defined]
        assert torch.equal(runtime.infer(images)["drivable"], compiled)
    torch.testing.assert_close(compiled, expected)


def test_a_network_that_cannot_be_compiled_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_nothing(network: object, **options: object) -> Callable[[Tensor], Tensor]:
        def run(images: Tensor) -> Tensor:
            raise InductorError(RuntimeError("no such kernel"), None)

        return run

    monkeypatch.setattr("torch.compile", compile_nothing)
    runtime = TorchRuntime(Small().eval(), "drivable", torch.device("cpu"))
    runtime.compile()
    with pytest.raises(BddsegError, match=r"cannot compile this network: .*no such kernel"):
        runtime.infer(torch.zeros(1, 3, 8, 8))


def test_a_runtime_that_compiles_nothing_is_refused(tiny: Path) -> None:
    with pytest.raises(BddsegError, match="The runtime 'onnx' compiles nothing"):
        bddseg.load_model(str(tiny), runtime="onnx", compile=True)


def test_without_a_compiler_the_error_says_what_is_missing(tiny: Path) -> None:
    # What pytest's monkeypatch does here cannot be undone.
    without = config.patch({"cpp.cxx": (None, "no-such-compiler")})
    expected = pytest.raises(BddsegError, match=r"needs a C\+\+ compiler.*or leave --compile out")
    with without, expected:
        bddseg.load_model(str(tiny), device="cpu", compile=True)

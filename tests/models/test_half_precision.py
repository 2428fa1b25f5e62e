"""Half precision: weights and maps, but not the sums of a softmax, which may be infinite."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest
import torch
from inference.fake_gpu import GPU, use_fake_gpu
from models.small import make_small_entry
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.build import build_network
from bddseg.models.network import convert_to_half

PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "convolution"}


class SoftmaxInputs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes for each softmax whether it gets products in half precision, even if cast since."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rounded: list[bool] = []
        self._is_rounded: MutableMapping[Tensor, bool] = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        name = function._schema.name.removeprefix("aten::")
        inputs = [each for each in tree_leaves(args) if isinstance(each, Tensor)]
        is_rounded = any(self._is_rounded.get(each, False) for each in inputs)
        if "softmax" in name:
            self.rounded.append(is_rounded)
        if "attention" in name:
            self.rounded.append(any(each.dtype is not torch.float32 for each in inputs[:3]))
        for each in tree_leaves(out):
            if isinstance(each, Tensor):
                is_half = each.dtype is not torch.float32
                self._is_rounded[each] = is_half if name in PRODUCTS else is_rounded
        return out


@pytest.mark.parametrize("architecture", ["ccnet", "dnlnet", "emanet", "gcnet", "psanet"])
def test_a_softmax_gets_sums_in_float32(architecture: str) -> None:
    with use_fake_gpu(make_small_entry(architecture), "fp16") as runtime, torch.no_grad():
        images = torch.empty(1, 3, 64, 96, device=GPU)
        with SoftmaxInputs() as softmax:
            (logits,) = runtime.infer(images).values()
    assert logits.dtype is torch.float16
    assert softmax.rounded
    assert not any(softmax.rounded)


def test_in_float32_a_network_is_what_it_was_before_its_conversion() -> None:
    network: Any = build_network(make_small_entry("emanet")).eval()
    images = torch.randn(1, 3, 65, 97, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)
        runtime = TorchRuntime(network, "drivable", torch.device("cpu"), "fp16")
        assert not torch.equal(runtime.infer(images)["drivable"], expected)
        assert torch.equal(runtime.in_float32().infer(images)["drivable"], expected)


def test_batch_norms_stay_in_float32() -> None:
    """Running variances can be beyond the range of half precision."""
    norm = nn.BatchNorm2d(2).eval()
    assert norm.running_var is not None
    norm.running_var.fill_(1e6)
    network = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), norm)
    convert_to_half(network, torch.float16)
    with torch.no_grad():
        out = network(torch.full((1, 3, 4, 4), 1000.0).half())
    assert out.dtype is torch.float16
    assert out.abs().max() > 0

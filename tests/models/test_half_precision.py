"""Under autocast, no softmax gets sums in half precision, where they may be infinite."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from models.small import make_small_entry
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from bddseg.models.build import build_network

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


class IndexWithViews(TorchFunctionMode):
    """Indexing and copying fake tensors of a GPU: torch's own needs a build with CUDA."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function is Tensor.contiguous:
            return torch.clone(*args, memory_format=torch.contiguous_format)
        if function is not Tensor.__getitem__:
            return function(*args, **(kwargs or {}))
        x, index = args
        index, axis = index if isinstance(index, tuple) else (index,), 0
        for number, each in enumerate(index):
            if each is None:
                x = x.unsqueeze(axis)
            elif each is Ellipsis:
                axis = x.dim() - len(index) + number
            elif isinstance(each, int):
                x = x.select(axis, each)
                continue
            else:
                start, stop, step = each.indices(x.shape[axis])
                x = torch.ops.aten.slice.Tensor(x, axis, start, stop, step)
            axis += 1
        return x


@contextmanager
def autocast(kind: str) -> Iterator[None]:
    """As `torch.autocast`, which does nothing without a GPU."""
    before = torch.is_autocast_enabled(kind)
    torch.set_autocast_enabled(kind, True)
    torch.set_autocast_dtype(kind, torch.float16)
    try:
        yield
    finally:
        torch.set_autocast_enabled(kind, before)


def find_rounded(network: nn.Module, device: str) -> list[bool]:
    state = network.state_dict()
    with FakeTensorMode() as mode, torch.no_grad(), IndexWithViews():
        fake = {k: torch.empty_like(mode.from_tensor(v), device=device) for k, v in state.items()}
        images = torch.empty(1, 3, 64, 96, device=device)
        seen = SoftmaxInputs()
        with autocast(torch.device(device).type), seen:
            functional_call(network, fake, (images,))
    return seen.rounded


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
@pytest.mark.parametrize("architecture", ["ccnet", "dnlnet", "emanet", "gcnet", "psanet"])
def test_a_softmax_gets_sums_in_float32(architecture: str, device: str) -> None:
    network = build_network(make_small_entry(architecture)).eval()
    rounded = find_rounded(network, device)
    assert rounded
    assert not any(rounded)

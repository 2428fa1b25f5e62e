"""A CUDA GPU that computes nothing: shapes, types and devices of tensors, in any build of torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.build import build_network
from bddseg.models.network import fuse
from bddseg.specs import Entry, Precision

GPU = torch.device("cuda:0")


class IndexWithViews(TorchFunctionMode):
    """Indexing and copying tensors of a GPU: torch's own needs a build with CUDA."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if function is Tensor.contiguous:
            layout = options.get("memory_format", torch.contiguous_format)
            x = args[0]
            return x if x.is_contiguous(memory_format=layout) else x.clone(memory_format=layout)
        if function is Tensor.copy_:
            return torch.ops.aten.copy_.default(*args, **options)
        if function is Tensor.__setitem__:
            x, index, value = args
            part = _index(x, index)
            # With this mode on, a method would not come back here.
            copy: Any = torch.ops.aten.copy_.default
            return copy(part, value) if isinstance(value, Tensor) else part.fill_(value)
        if function is Tensor.__invert__:
            return torch.logical_not(*args)
        if function is Tensor.__getitem__:
            return _index(*args)
        return function(*args, **options)


def _index(x: Tensor, index: Any) -> Tensor:
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


class Transfers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each operation that makes the host wait for the GPU, or copies to or from it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []
        self.num_launched = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        name = function._schema.name.removeprefix("aten::")
        tensors = [each for each in tree_leaves((args, kwargs, out)) if isinstance(each, Tensor)]
        # A number on the CPU is an argument of a kernel, not a copy.
        kinds = {each.device.type for each in tensors if each.dim() or name.endswith("copy_")}
        self.num_launched += "cuda" in kinds
        if "cuda" in kinds and (len(kinds) > 1 or name in ("_local_scalar_dense", "nonzero")):
            self.seen.append(name)
        return out


@contextmanager
def use_fake_gpu(entry: Entry, precision: Precision) -> Iterator[TorchRuntime]:
    """Let tensors be on `GPU` in the block; yield a runtime there, of weights without numbers."""
    network: Any = build_network(entry).eval()
    fuse(network)
    runtime = TorchRuntime(network, entry.task, torch.device("cpu"), precision)
    with FakeTensorMode() as mode, IndexWithViews():
        for module in runtime.network.modules():  # type: ignore[attr-defined]
            for tensors in (module._parameters, module._buffers):
                for name, tensor in tensors.items():
                    if tensor is not None:
                        tensors[name] = torch.empty_like(mode.from_tensor(tensor), device=GPU)
        runtime.device = GPU
        yield runtime

"""What a network offers to the code that runs it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bddseg.models.cpu_conv import DilatedDepthwiseConv2d
from bddseg.models.winograd import WinogradConv2d


class Network(Protocol):
    """What a network offers; it is also an `nn.Module`.

    It also runs when its parameters and images are in half precision; see `convert_to_half`.

    Attributes:
        align_corners: How its logits are interpolated, as in `torch.nn.functional.interpolate`.
    """

    @property
    def align_corners(self) -> bool:  # noqa: D102
        ...

    def __call__(self, images: Tensor) -> Tensor | Mapping[str, Tensor]:
        """Images (N, 3, H, W), float, normalised -> logits (N, K, h, w) of any size.

        A network with several outputs returns a mapping from task name to logits.
        """
        ...


@runtime_checkable
class Fusible(Protocol):
    """A network, or a backbone, that can fuse layers for faster inference."""

    def fuse(self) -> None:
        """Fuse layers in place, in evaluation mode; outputs stay equal up to rounding.

        Afterwards it can be neither trained, nor its state dict loaded or saved.
        """
        ...


@runtime_checkable
class HasHeads(Protocol):
    """A network with further heads, which add losses in training."""

    def forward_heads(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W), normalised -> logits (N, K, h, w) of each head, main one first."""
        ...


@runtime_checkable
class ConvertsStateDict(Protocol):
    """A network that can load checkpoints with other parameter names than its own."""

    def convert_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint's tensors under the network's own names; unknown names are kept."""
        ...


def convert_to_half(network: nn.Module, dtype: torch.dtype) -> None:
    """Convert a network's numbers to half precision, in place, except those of batch norms.

    Running variances can be beyond the range of half precision, and torch normalises maps in half
    precision with numbers in float32.
    """
    for module in network.modules():
        if not isinstance(module, _BatchNorm):
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(dtype)


def fuse(network: nn.Module) -> None:
    """Fuse a network's layers for faster inference, in place, if it can; see `Fusible`."""
    if isinstance(network, Fusible):
        network.fuse()


def fuse_convolutions(network: nn.Module) -> None:
    """Fold each BatchNorm2d into the Conv2d declared right before it, in place; channels last.

    Convolutions that can be computed faster on CPUs are replaced, see `CPUConv2d`.
    In evaluation mode both layers are linear, so outputs are equal up to rounding. It is only for
    modules that apply their layers in the order in which they declare them. Convolutions, above all
    1x1 ones, are fastest with the channels last in memory (by a third on a CPU).
    """
    for module in network.modules():
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
        for name, child in module.named_children():
            for kind in (WinogradConv2d, DilatedDepthwiseConv2d):
                if kind.is_suitable(child):
                    setattr(module, name, kind(child))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

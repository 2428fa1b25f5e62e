"""Convolutions that are computed in another way where that is faster: float32 on a CPU."""

from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CPUConv2d(nn.Conv2d):
    """A convolution with a faster way to the same results, up to rounding.

    In half precision, on other devices and when it is exported, it is an ordinary convolution.

    Args:
        conv: Convolution to replace; its parameters are used.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        vars(self).update(vars(conv))

    def _is_faster(self, x: Tensor) -> bool:
        """Return whether to take the faster way for x."""
        return (
            # A subclass is that of a tracer or of fake tensors.
            type(x) is Tensor
            and x.device.type == "cpu"
            and x.dtype is torch.float32
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_exporting()
        )


def is_3x3_same(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Return whether a module is a 3x3 convolution that keeps the size, with zeros around maps."""
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.stride == (1, 1)
        and module.padding == module.dilation
        and module.dilation[0] == module.dilation[1]
        and module.padding_mode == "zeros"
    )


class DilatedDepthwiseConv2d(CPUConv2d):
    """A dilated 3x3 convolution of each channel, as one without dilation of more channels.

    On a CPU, dilated ones of channels-last maps take ten times as long as others.
    """

    @staticmethod
    def is_suitable(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
        """Return whether a module is a convolution that this class can compute faster."""
        return (
            is_3x3_same(conv)
            and conv.dilation[0] > 1
            and conv.groups == conv.in_channels == conv.out_channels
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape, channels last in memory."""
        if not self._is_faster(x):
            return super().forward(x)
        n, channels, height, width = x.shape
        dilation = self.dilation[0]
        rows, columns = -(-height // dilation), -(-width // dilation) + 1
        # With the channels last, `dilation` columns become the channels of one, and as many rows
        # are joined to one, without moving a number. Zeros between the rows are their padding.
        margins = (0, 0, 0, columns * dilation - width, 0, rows * dilation - height)
        padded = F.pad(x.permute(0, 2, 3, 1), margins).contiguous()
        joined = padded.view(n, rows, dilation * columns, dilation * channels).permute(0, 3, 1, 2)
        weight = self.weight.repeat(dilation, 1, 1, 1)
        bias = None if self.bias is None else self.bias.repeat(dilation)
        result = F.conv2d(joined, weight, bias, padding=1, groups=dilation * channels)
        split = result.permute(0, 2, 3, 1).reshape(n, rows * dilation, columns * dilation, channels)
        return split[:, :height, :width].permute(0, 3, 1, 2)

"""The pyramids of ESPNet, of which both TwinLiteNets are made.

Mehta et al., ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation,
ECCV 2018 (arXiv 1803.06815). Parameter names are those of the published checkpoints.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bddseg_realtime.layers import Conv, NormAct

EPSILON = 1e-3
_DILATIONS = (1, 2, 4, 8, 16)


class DilatedPyramid(nn.Module):
    """ESP: reduce, convolve at five dilations, and concatenate cumulative sums of the results.

    The sums prevent the gridding artefacts of large dilations (section 3.2 of the paper).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int,
        make_conv: Callable[..., nn.Module] = Conv,
    ) -> None:
        super().__init__()
        width = out_channels // len(_DILATIONS)
        first = out_channels - (len(_DILATIONS) - 1) * width
        self.c1 = make_conv(in_channels, width, kernel_size, stride=stride)
        for dilation in _DILATIONS:
            branch = make_conv(width, first if dilation == 1 else width, 3, dilation=dilation)
            self.add_module(f"d{dilation}", branch)

    def pyramid(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride), rounded up."""
        reduced = self.c1(x)
        first, *rest = (self.get_submodule(f"d{dilation}")(reduced) for dilation in _DILATIONS)
        sums = [rest[0]]
        for branch in rest[1:]:
            sums.append(sums[-1] + branch)
        return torch.cat([first, *sums], dim=1)


class Downsample(DilatedPyramid):
    """A dilated pyramid at stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, stride=2)
        self.bn = nn.BatchNorm2d(out_channels, eps=EPSILON)
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / 2, w / 2), rounded up."""
        out: Tensor = self.act(self.bn(self.pyramid(x)))
        return out


class ResidualPyramid(DilatedPyramid):
    """A dilated pyramid with a shortcut."""

    def __init__(self, channels: int, make_conv: Callable[..., nn.Module] = Conv) -> None:
        super().__init__(channels, channels, kernel_size=1, stride=1, make_conv=make_conv)
        self.bn = NormAct(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        out: Tensor = self.bn(x + self.pyramid(x))
        return out

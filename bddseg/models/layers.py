"""Layers that several networks share."""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvModule(nn.Module):
    """Convolution, batch normalisation, ReLU.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of the convolution, odd.
        dilation: of the convolution.
        groups: of the convolution.
        padding: zeros around the input; without it, as many as keep the size.
        activation: whether a ReLU follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        dilation: int = 1,
        groups: int = 1,
        padding: int | None = None,
        activation: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=dilation * (kernel_size // 2) if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        out: Tensor = self.bn(self.conv(x))
        return F.relu(out, inplace=True) if self.activation else out


class BareConv(nn.Module):
    """A 1x1 convolution alone, under the name that a ConvModule gives it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        out: Tensor = self.conv(x)
        return out


def get_size(x: Tensor) -> tuple[int, int]:
    """Return (h, w) of (N, C, h, w)."""
    return x.shape[2], x.shape[3]


def resize(x: Tensor, size_hw: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Return (N, C, *size_hw), interpolated bilinearly from (N, C, h, w)."""
    if get_size(x) == tuple(size_hw):
        return x
    return F.interpolate(x, size_hw, mode="bilinear", align_corners=align_corners)

"""Layers that several networks share."""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvModule(nn.Module):
    """Convolution, batch normalisation, ReLU; the size is kept at stride 1."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, dilation: int = 1
    ) -> None:
        super().__init__()
        padding = dilation * (kernel_size // 2)
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def resize(x: Tensor, size_hw: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Return (N, C, *size_hw), interpolated bilinearly from (N, C, h, w)."""
    if tuple(x.shape[-2:]) == tuple(size_hw):
        return x
    return F.interpolate(x, size_hw, mode="bilinear", align_corners=align_corners)

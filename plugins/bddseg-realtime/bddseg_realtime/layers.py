"""Layers that the networks of this package share."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bddseg.models.network import fuse_convolutions


def make_conv(in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> nn.Conv2d:
    """Return a convolution without bias that keeps the size at stride 1.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        kernel_size: Kernel size, odd.
        options: `stride`, `dilation` and `groups`, as `nn.Conv2d` takes them.
    """
    padding = options.get("dilation", 1) * (kernel_size // 2)
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=False, **options)


class NormAct(nn.Module):
    """Batch normalisation and PReLU."""

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=eps)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        out: Tensor = self.act(self.bn(x))
        return out


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation and, unless `act` is off, PReLU; see `make_conv`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        eps: float = 1e-5,
        act: bool = True,
        **options: int,
    ) -> None:
        super().__init__()
        self.conv = make_conv(in_channels, out_channels, kernel_size, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=eps)
        self.act = nn.PReLU(out_channels) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride), rounded up."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class Upsample(nn.Module):
    """Transposed convolution that doubles the size, batch normalisation, PReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=eps)
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, 2h, 2w)."""
        out: Tensor = self.act(self.bn(self.deconv(x)))
        return out

    def fuse(self) -> None:
        """Fold the norm into the convolution, in place."""
        self.deconv = fuse_conv_bn_eval(self.deconv, self.bn, transpose=True)
        self.bn = nn.Identity()  # type: ignore[assignment]


class Conv(nn.Module):
    """A convolution alone, with the parameter names that it has in a ConvNormAct."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, **options: int
    ) -> None:
        super().__init__()
        self.conv = make_conv(in_channels, out_channels, kernel_size, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride), rounded up."""
        out: Tensor = self.conv(x)
        return out


def halve(x: Tensor) -> Tensor:
    """(N, channels, h, w) -> (N, channels, h / 2, w / 2), rounded up: averages of 3x3 pixels."""
    return F.avg_pool2d(x, 3, stride=2, padding=1)


def fuse_layers(network: nn.Module) -> None:
    """Fold norms into the convolutions before them, in place, and store channels last."""
    for module in network.modules():
        if isinstance(module, Upsample):
            module.fuse()
    fuse_convolutions(network)

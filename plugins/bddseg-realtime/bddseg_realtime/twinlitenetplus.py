"""TwinLiteNet+: TwinLiteNet with depth-wise pyramids, class activation attention, image detail.

Che and Lam, TwinLiteNet+: An Enhanced Multi-Task Segmentation Model for Autonomous Driving, 2024
(arXiv 2403.16958). The attention is CAA of Liu et al., Partial Class Activation Attention for
Semantic Segmentation, CVPR 2022. Parameter names are those of the published checkpoints.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg_realtime.esp import EPSILON, Downsample, ResidualPyramid
from bddseg_realtime.layers import ConvNormAct, Upsample, fuse_layers, halve, make_conv

# Rows and columns of the parts that the attention looks at one by one.
_BINS_HW = (2, 4)
# Channels of the image.
_RGB = 3
# Channels of the decoders at half the image's size.
_FINE = 8
# Sizes of images are padded to multiples: the encoder divides them by 8, the attention by its bins.
_MULTIPLES_HW = (8 * _BINS_HW[0], 8 * _BINS_HW[1])


class SeparableConv(nn.Module):
    """A depth-wise convolution followed by a 1x1 convolution."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, **options: int
    ) -> None:
        super().__init__()
        self.depthwise = make_conv(
            in_channels, in_channels, kernel_size, groups=in_channels, **options
        )
        self.pointwise = make_conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride), rounded up."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


class Encoder(nn.Module):
    """Images to features at an eighth of their size.

    Args:
        channels: Channels after each of the three levels' first layers, ascending.
        level2_blocks: Number of residual pyramids at a quarter of the image's size.
        level3_blocks: Number of residual pyramids at an eighth of it.
    """

    def __init__(self, channels: Sequence[int], level2_blocks: int, level3_blocks: int) -> None:
        super().__init__()
        first, second, third = channels
        fourth = 2 * third
        residual = partial(ResidualPyramid, make_conv=SeparableConv)
        self.level1 = ConvNormAct(_RGB, first, 3, stride=2)
        self.b1 = ConvNormAct(first + _RGB, second, 3)
        self.level2_0 = Downsample(second, third)
        self.level2 = nn.Sequential(*(residual(third) for _ in range(level2_blocks)))
        self.b2 = ConvNormAct(fourth + _RGB, fourth + _RGB, 3)
        self.level3_0 = Downsample(fourth + _RGB, fourth)
        self.level3 = nn.Sequential(*(residual(fourth) for _ in range(level3_blocks)))
        self.b3 = ConvNormAct(2 * fourth, third, 3)

    def forward(self, images: Tensor, half: Tensor, quarter: Tensor) -> Tensor:
        """Images (N, 3, H, W) at full, half and quarter size -> (N, C, H / 8, W / 8)."""
        level1 = self.b1(torch.cat([self.level1(images), half], dim=1))
        level2_0 = self.level2_0(level1)
        level2 = self.b2(torch.cat([self.level2(level2_0), level2_0, quarter], dim=1))
        level3_0 = self.level3_0(level2)
        out: Tensor = self.b3(torch.cat([level3_0, self.level3(level3_0)], dim=1))
        return out


class BinMixer(nn.Module):
    """Exchange between the features of the bins, then between their channels."""

    def __init__(self, num_bins: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_bins, num_bins, 1, bias=False)
        self.relu = nn.PReLU(num_bins)
        self.conv2 = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, bins, K, C) -> the same shape."""
        out: Tensor = self.conv2(self.relu(self.conv1(x) + x))
        return out


class ClassActivationAttention(nn.Module):
    """Each pixel attends to K class centers: those of its bin choose, those of all bins answer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        num_bins = _BINS_HW[0] * _BINS_HW[1]
        inner = channels // 2
        self.conv_cam = nn.Conv2d(channels, channels, 1)
        self.gcn = BinMixer(num_bins, channels)
        self.fuse = nn.Conv2d(num_bins, 1, 1)
        self.proj_query = nn.Linear(channels, inner)
        self.proj_key = nn.Linear(channels, inner)
        self.proj_value = nn.Linear(channels, inner)
        self.conv_out = nn.Sequential(
            nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.PReLU(channels)
        )
        self.relu = nn.PReLU(1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w), h and w multiples of the bins -> the same shape."""
        activations = self.conv_cam(x)
        confidence = F.adaptive_avg_pool2d(activations, _BINS_HW).sigmoid().flatten(2)
        activations, pixels = _split(activations), _split(x)
        centers = activations.softmax(dim=2).transpose(2, 3) @ pixels
        centers = self.gcn(centers * confidence.transpose(1, 2)[..., None])
        shared = self.relu(self.fuse(centers))
        similarity = self.proj_query(pixels) @ self.proj_key(centers).transpose(2, 3)
        attended = similarity.softmax(dim=-1) @ self.proj_value(shared)
        out: Tensor = x + self.conv_out(_join(attended, (x.shape[2], x.shape[3])))
        return out


class UpBlock(nn.Module):
    """Doubles the size, and adds the image's detail unless `last`."""

    def __init__(self, in_channels: int, out_channels: int, *, last: bool = False) -> None:
        super().__init__()
        self.up_conv = Upsample(in_channels, out_channels, eps=EPSILON)
        if not last:
            self.conv1 = ConvNormAct(out_channels + _RGB, out_channels, 3)
        self.conv2 = ConvNormAct(out_channels, out_channels, 3)

    def forward(self, x: Tensor, image: Tensor | None = None) -> Tensor:
        """(N, in_channels, h, w) and the image at twice that -> (N, out_channels, 2h, 2w)."""
        larger = self.up_conv(x)
        if image is not None:
            larger = self.conv1(torch.cat([larger, image], dim=1))
        out: Tensor = self.conv2(larger)
        return out


class TwinLiteNetPlus(nn.Module):
    """The encoder, its attention, and a decoder each for the drivable area and for lane lines.

    Args:
        channels: Channels of the first three levels.
        level2_blocks: Number of residual pyramids at a quarter of the image's size.
        level3_blocks: Number of residual pyramids at an eighth of it.
    """

    align_corners = False

    def __init__(self, channels: Sequence[int], level2_blocks: int, level3_blocks: int) -> None:
        super().__init__()
        first, second, third = channels
        self.encoder = Encoder(channels, level2_blocks, level3_blocks)
        self.caam = ClassActivationAttention(third)
        self.conv_caam = ConvNormAct(third, second, 3)
        for name in ("da", "ll"):
            self.add_module(f"up_1_{name}", UpBlock(second, first))
            self.add_module(f"up_2_{name}", UpBlock(first, _FINE))
            self.add_module(f"out_{name}", UpBlock(_FINE, 2, last=True))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (N, 3, H, W), pixels 0 to 1 -> logits (N, 2, H, W), background first, by task."""
        height, width = images.shape[2:]
        rows, columns = _MULTIPLES_HW
        padded = F.pad(images, (0, -width % columns, 0, -height % rows))
        half = halve(padded)
        quarter = halve(half)
        features = self.conv_caam(self.caam(self.encoder(padded, half, quarter)))
        drivable, lanes = (
            self._decode(features, half, quarter, name)[..., :height, :width]
            for name in ("da", "ll")
        )
        return {"drivable_binary": drivable, "lane_binary": lanes}

    def fuse(self) -> None:
        """Fold norms into convolutions and store channels last, which is fastest on CPUs."""
        fuse_layers(self)

    def _decode(self, x: Tensor, half: Tensor, quarter: Tensor, name: str) -> Tensor:
        x = self.get_submodule(f"up_1_{name}")(x, quarter)
        x = self.get_submodule(f"up_2_{name}")(x, half)
        out: Tensor = self.get_submodule(f"out_{name}")(x)
        return out


def _split(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, bins, pixels of a bin, C)."""
    n, channels, height, width = x.shape
    rows, columns = _BINS_HW
    parts = x.view(n, channels, rows, height // rows, columns, width // columns)
    return parts.permute(0, 2, 4, 3, 5, 1).reshape(n, rows * columns, -1, channels)


def _join(x: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(N, bins, pixels of a bin, C) -> (N, C, h, w)."""
    rows, columns = _BINS_HW
    height, width = size_hw
    parts = x.view(x.shape[0], rows, columns, height // rows, width // columns, x.shape[3])
    return parts.permute(0, 5, 1, 3, 2, 4).reshape(x.shape[0], x.shape[3], height, width)


def build_twinlitenetplus(
    *, num_classes: int, channels: list[int], level2_blocks: int, level3_blocks: int
) -> TwinLiteNetPlus:
    """Return a TwinLiteNet+, whose outputs have two classes each.

    Raises:
        BddsegError: `num_classes` is not 2, or `channels` are not three numbers.
    """
    if num_classes != 2:
        raise BddsegError(
            f"TwinLiteNet+ has 2 classes, not {num_classes}.",
            'Use it with task = "drivable_binary".',
        )
    if len(channels) != 3 or min(channels) < 1:
        raise BddsegError(
            f"channels are those of three levels, not {channels}.", "For instance: [4, 8, 16]."
        )
    return TwinLiteNetPlus(channels, level2_blocks, level3_blocks)

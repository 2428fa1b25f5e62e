"""SwiftNet: a residual network, pyramid pooling, and a decoder that adds finer features.

Orsic et al., In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation
of Road-driving Images, CVPR 2019 (arXiv 1903.08469). As there, the decoder gets features from
before the last ReLU of a stage. Made smaller for CPUs: narrow stages, a decoder that ends at 1/8 of
the image's size, and two 3x3 convolutions with stride 2 in place of a 7x7 one and pooling.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.layers import ConvModule, GridPool, convolve_3x3, get_size, resize
from bddseg.models.network import fuse_convolutions

Channels = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Blocks = Annotated[int, msgspec.Meta(ge=1, le=64)]
# Cells along each axis, of each level of the pooling pyramid.
_GRIDS = (1, 2, 4)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, before the last ReLU.

    "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *convolve_3x3(in_channels, out_channels, stride=stride),
            *convolve_3x3(out_channels, out_channels)[:-1],
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride), without the ReLU."""
        out: Tensor = self.convs(x) + self.shortcut(x)
        return out


class Stage(nn.Module):
    """Basic blocks; the first may halve the size."""

    def __init__(self, in_channels: int, out_channels: int, count: int, *, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            BasicBlock(out_channels if number else in_channels, out_channels, stride=step)
            for number, step in enumerate([stride] + [1] * (count - 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride), without a ReLU."""
        for number, block in enumerate(self.blocks):
            x = block(F.relu(x) if number else x)
        return x


class PyramidPooling(nn.Module):
    """Averages over grids of cells, beside the map itself: what the whole image shows."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.reduce = ConvModule(in_channels, channels, 1)
        level = channels // 4
        self.levels = nn.ModuleList(
            nn.Sequential(GridPool(grid), ConvModule(channels, level, 1)) for grid in _GRIDS
        )
        self.join = ConvModule(channels + level * len(_GRIDS), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        x = self.reduce(x)
        pooled = [resize(level(x), get_size(x), align_corners=False) for level in self.levels]
        out: Tensor = self.join(torch.cat([x, *pooled], dim=1))
        return out


class Upsample(nn.Module):
    """Enlarges a map, adds finer features, and blends both with a 3x3 convolution."""

    def __init__(self, finer_channels: int, channels: int) -> None:
        super().__init__()
        self.lateral = ConvModule(finer_channels, channels, 1)
        self.blend = ConvModule(channels, channels, 3)

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        """(N, channels, h, w), (N, finer_channels, H, W) -> (N, channels, H, W)."""
        enlarged = resize(x, get_size(finer), align_corners=False)
        out: Tensor = self.blend(enlarged + self.lateral(finer))
        return out


class SwiftNet(nn.Module):
    """The whole network.

    Args:
        num_classes: Number of classes, K.
        stem_channels: Channels at 1/2 of the image's size.
        stage_channels: Channels of the four stages, at 1/4, 1/8, 1/16 and 1/32.
        stage_blocks: Number of blocks of each stage.
        decoder_channels: Channels of the pooling pyramid and of the decoder.
    """

    align_corners = False

    def __init__(
        self,
        num_classes: int,
        stem_channels: int,
        stage_channels: Sequence[int],
        stage_blocks: Sequence[int],
        decoder_channels: int,
    ) -> None:
        super().__init__()
        first = stage_channels[0]
        self.stem = nn.Sequential(
            *convolve_3x3(3, stem_channels, stride=2), *convolve_3x3(stem_channels, first, stride=2)
        )
        self.stages = nn.ModuleList(
            Stage(before, after, count, stride=2 if number else 1)
            for number, ((before, after), count) in enumerate(
                zip(pairwise([first, *stage_channels]), stage_blocks, strict=True)
            )
        )
        self.pooling = PyramidPooling(stage_channels[-1], decoder_channels)
        self.upsamples = nn.ModuleList(
            Upsample(finer, decoder_channels) for finer in (stage_channels[2], stage_channels[1])
        )
        self.classifier = nn.Conv2d(decoder_channels, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> logits (N, K, H / 8, W / 8)."""
        x = self.stem(images)
        maps = []
        for stage in self.stages:
            maps.append(stage(x))
            x = F.relu(maps[-1])
        _, eighth, sixteenth, _ = maps
        x = self.pooling(x)
        for upsample, finer in zip(self.upsamples, (sixteenth, eighth), strict=True):
            x = upsample(x, finer)
        logits: Tensor = self.classifier(x)
        return logits

    def fuse(self) -> None:
        """Fold norms into the convolutions before them."""
        fuse_convolutions(self)


def build_swiftnet(
    *,
    num_classes: int,
    stem_channels: Channels = 16,
    stage_channels: tuple[Channels, Channels, Channels, Channels] = (24, 48, 96, 160),
    stage_blocks: tuple[Blocks, Blocks, Blocks, Blocks] = (1, 2, 2, 2),
    decoder_channels: Annotated[int, msgspec.Meta(ge=4, le=1024)] = 64,
) -> SwiftNet:
    """Return a SwiftNet, by default `swiftnet_lite`; `SwiftNet` describes the options."""
    return SwiftNet(num_classes, stem_channels, stage_channels, stage_blocks, decoder_channels)

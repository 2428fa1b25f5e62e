"""SwiftNet: a backbone from ImageNet, pyramid pooling, and a decoder that adds finer features.

Orsic et al., In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation
of Road-driving Images, CVPR 2019 (arXiv 1903.08469). Made smaller for CPUs: EfficientNet-Lite0 in
place of ResNet-18, and a decoder that ends at 1/8 of the image's size.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn

from bddseg.models.layers import ConvModule, GridPool, get_size, resize
from bddseg.models.network import fuse_convolutions
from bddseg_lite.efficientnet_lite import STAGES, EfficientNetLite0

# Stages of the backbone whose maps the decoder gets: the last ones at 1/8, 1/16 and 1/32.
_EIGHTH, _SIXTEENTH, _LAST = 2, 4, 5
Blocks = Annotated[int, msgspec.Meta(ge=1, le=4)]
# Cells along each axis, of each level of the pooling pyramid.
_GRIDS = (1, 2, 4)


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
        stage_blocks: Number of blocks of the backbone's first six stages.
        decoder_channels: Channels of the pooling pyramid and of the decoder.
    """

    align_corners = False

    def __init__(
        self, num_classes: int, stage_blocks: Sequence[int], decoder_channels: int
    ) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0(stage_blocks)
        self.pooling = PyramidPooling(STAGES[_LAST].channels, decoder_channels)
        self.upsamples = nn.ModuleList(
            Upsample(STAGES[stage].channels, decoder_channels) for stage in (_SIXTEENTH, _EIGHTH)
        )
        self.classifier = nn.Conv2d(decoder_channels, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> logits (N, K, H / 8, W / 8)."""
        maps = self.backbone(images)
        x = self.pooling(maps[_LAST])
        for upsample, stage in zip(self.upsamples, (_SIXTEENTH, _EIGHTH), strict=True):
            x = upsample(x, maps[stage])
        logits: Tensor = self.classifier(x)
        return logits

    def convert_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint's tensors, also those of an ImageNet backbone, under own names."""
        return self.backbone.convert_state_dict(state)

    def fuse(self) -> None:
        """Fold norms into the convolutions before them."""
        fuse_convolutions(self)


def build_swiftnet(
    *,
    num_classes: int,
    stage_blocks: tuple[Blocks, Blocks, Blocks, Blocks, Blocks, Blocks] = (1, 2, 2, 3, 3, 1),
    decoder_channels: Annotated[int, msgspec.Meta(ge=4, le=1024)] = 96,
) -> SwiftNet:
    """Return a SwiftNet, by default `swiftnet_lite`; `SwiftNet` describes the options."""
    return SwiftNet(num_classes, stage_blocks, decoder_channels)

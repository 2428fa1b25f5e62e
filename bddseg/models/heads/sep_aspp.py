"""DeepLabV3+: DeepLabV3 with separable convolutions and a decoder that refines edges.

Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation,
ECCV 2018 (arXiv 1802.02611), figures 2 and 3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.aspp import ASPPHead
from bddseg.models.heads.head import HeadOptions
from bddseg.models.layers import ConvModule, get_size, resize


class SeparableConvModule(nn.Module):
    """A 3x3 convolution of each channel, then a 1x1 across channels; each with norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise_conv = ConvModule(
            in_channels, in_channels, 3, dilation=dilation, groups=in_channels
        )
        self.pointwise_conv = ConvModule(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        out: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return out


class SeparableASPPHead(ASPPHead):
    """ASPP of separable convolutions; the result is joined with the first stage's features.

    Args:
        dilations: Dilation of each branch, as in `ASPPHead`.
        low_level_channels: Channels that the first stage's features are reduced to.
    """

    min_stages = 2

    def __init__(
        self,
        common: HeadOptions,
        *,
        channels: int,
        dilations: Sequence[int],
        low_level_channels: int,
    ) -> None:
        super().__init__(common, channels=channels, dilations=dilations)
        for index, dilation in enumerate(dilations):
            if dilation > 1:
                branch = SeparableConvModule(common.in_channels[-1], channels, dilation=dilation)
                self.aspp_modules[index] = branch
        self.c1_bottleneck = ConvModule(common.in_channels[0], low_level_channels, 1)
        self.sep_bottleneck = nn.Sequential(
            SeparableConvModule(channels + low_level_channels, channels),
            SeparableConvModule(channels, channels),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the first stage."""
        low_level = self.c1_bottleneck(features[0])
        context = self.pool_pyramid(features[-1])
        context = resize(context, get_size(low_level), align_corners=self.align_corners)
        return self.classify(self.sep_bottleneck(torch.cat([context, low_level], dim=1)))


build_deeplabv3plus = make_architecture(SeparableASPPHead)

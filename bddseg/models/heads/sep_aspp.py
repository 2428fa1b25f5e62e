"""DeepLabV3+: DeepLabV3 with separable convolutions and a decoder that restores edges.

Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation,
ECCV 2018 (arXiv 1802.02611), figures 2 and 3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import EncoderDecoder, HeadOptions
from bddseg.models.heads.aspp import ASPPHead
from bddseg.models.heads.fcn import build_auxiliary_head
from bddseg.models.layers import ConvModule, get_size, resize


class SeparableConvModule(nn.Module):
    """A 3x3 convolution for each channel, then a 1x1 across channels; each with norm and ReLU."""

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
    """ASPP of separable convolutions; its result is joined with the first stage's features.

    Args:
        in_channels: of the last stage.
        channels: width of the head.
        options: shared by the network's heads.
        dilations: of the parallel branches.
        low_level_in_channels: of the first stage.
        low_level_channels: what the first stage's features are reduced to.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        options: HeadOptions,
        *,
        dilations: Sequence[int],
        low_level_in_channels: int,
        low_level_channels: int,
    ) -> None:
        super().__init__(in_channels, channels, options, dilations=dilations)
        for index, dilation in enumerate(dilations):
            if dilation > 1:
                branch = SeparableConvModule(in_channels, channels, dilation=dilation)
                self.aspp_modules[index] = branch
        self.c1_bottleneck = ConvModule(low_level_in_channels, low_level_channels, 1)
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


def build_deeplabv3plus(
    *,
    num_classes: int,
    depth: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    channels: int,
    head_dilations: Sequence[int],
    low_level_channels: int,
    dropout: float,
    auxiliary_channels: int,
    align_corners: bool,
    base_channels: int = 64,
) -> EncoderDecoder:
    """Return a DeepLabV3+ on a ResNet; see `ResNetV1c`, `SeparableASPPHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = SeparableASPPHead(
        backbone.out_channels[-1],
        channels,
        options,
        dilations=head_dilations,
        low_level_in_channels=backbone.out_channels[0],
        low_level_channels=low_level_channels,
    )
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

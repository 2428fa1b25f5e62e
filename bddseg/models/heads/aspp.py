"""DeepLabV3: convolutions of several dilations see the same place at several scales.

Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017
(arXiv 1706.05587), section 3.3.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import DecodeHead, EncoderDecoder, HeadOptions
from bddseg.models.heads.fcn import build_auxiliary_head
from bddseg.models.layers import ConvModule, fuse_maps, get_size


class ASPPHead(DecodeHead):
    """Atrous spatial pyramid pooling: parallel dilated convolutions and the image's average.

    A dilation of 1 stands for a 1x1 convolution; all others are 3x3.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        options: HeadOptions,
        *,
        dilations: Sequence[int],
    ) -> None:
        super().__init__(channels, options)
        self.image_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), ConvModule(in_channels, channels, 1)
        )
        self.aspp_modules = nn.ModuleList(
            ConvModule(in_channels, channels, 1 if dilation == 1 else 3, dilation=dilation)
            for dilation in dilations
        )
        self.bottleneck = ConvModule((len(dilations) + 1) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        return self.classify(self.pool_pyramid(features[-1]))

    def pool_pyramid(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        branches = [self.image_pool(x), *(module(x) for module in self.aspp_modules)]
        return fuse_maps(branches, self.bottleneck, get_size(x), align_corners=self.align_corners)


def build_deeplabv3(
    *,
    num_classes: int,
    depth: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    channels: int,
    head_dilations: Sequence[int],
    dropout: float,
    auxiliary_channels: int,
    align_corners: bool,
    base_channels: int = 64,
) -> EncoderDecoder:
    """Return a DeepLabV3 on a ResNet; see `ResNetV1c`, `ASPPHead` and `FCNHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = ASPPHead(backbone.out_channels[-1], channels, options, dilations=head_dilations)
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

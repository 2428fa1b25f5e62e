"""PSPNet: averages over grids of four sizes tell each pixel about the whole scene.

Zhao et al., Pyramid Scene Parsing Network, CVPR 2017 (arXiv 1612.01105), figure 3.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import DecodeHead, EncoderDecoder, HeadOptions
from bddseg.models.heads.fcn import build_auxiliary_head
from bddseg.models.layers import ConvModule, fuse_maps, get_size


class PSPHead(DecodeHead):
    """The last stage's features and their pyramid, fused by a 3x3 convolution."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        options: HeadOptions,
        *,
        pool_scales: Sequence[int],
    ) -> None:
        super().__init__(channels, options)
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvModule(in_channels, channels, 1))
            for scale in pool_scales
        )
        self.bottleneck = ConvModule(in_channels + len(pool_scales) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        return self.classify(self.pool_pyramid(features[-1]))

    def pool_pyramid(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w).

        The grids' averages are enlarged to the size of x, stacked on it and convolved.
        """
        maps = [x, *(module(x) for module in self.psp_modules)]
        return fuse_maps(maps, self.bottleneck, get_size(x), align_corners=self.align_corners)


def build_pspnet(
    *,
    num_classes: int,
    depth: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    channels: int,
    pool_scales: Sequence[int],
    dropout: float,
    auxiliary_channels: int,
    align_corners: bool,
    base_channels: int = 64,
) -> EncoderDecoder:
    """Return a PSPNet on a ResNet; see `ResNetV1c`, `PSPHead` and `FCNHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = PSPHead(backbone.out_channels[-1], channels, options, pool_scales=pool_scales)
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

"""DeepLabV3: convolutions of several dilations see each position at several scales.

Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017
(arXiv 1706.05587), section 3.3.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, fuse_maps, get_size


class ASPPHead(DecodeHead):
    """Atrous spatial pyramid pooling: parallel dilated convolutions and the image's average.

    Args:
        dilations: Dilation of each branch's 3x3 convolution; 1 means a 1x1 convolution instead.
    """

    def __init__(self, common: HeadOptions, *, channels: int, dilations: Sequence[int]) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvModule(width, channels, 1))
        self.aspp_modules = nn.ModuleList(
            ConvModule(width, channels, 1 if dilation == 1 else 3, dilation=dilation)
            for dilation in dilations
        )
        self.bottleneck = ConvModule((len(dilations) + 1) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        return self.classify(self.pool_pyramid(features[-1]))

    def pool_pyramid(self, x: Tensor) -> Tensor:
        """(N, in_channels[-1], h, w) -> (N, channels, h, w)."""
        branches = [self.image_pool(x), *(module(x) for module in self.aspp_modules)]
        return fuse_maps(branches, self.bottleneck, get_size(x), align_corners=self.align_corners)


build_deeplabv3 = make_architecture(ASPPHead)

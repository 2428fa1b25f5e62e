"""UPerNet: a feature pyramid on top of a pyramid pooling module.

Xiao et al., Unified Perceptual Parsing for Scene Understanding, ECCV 2018 (arXiv 1807.10221),
figure 4; the part that parses objects.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import HeadOptions
from bddseg.models.heads.psp import PSPHead
from bddseg.models.layers import ConvModule, fuse_maps, get_size, resize


class UPerHead(PSPHead):
    """The pyramid pooling module on the last stage, then a top-down path over all stages."""

    min_stages = 2

    def __init__(self, common: HeadOptions, *, channels: int, pool_scales: Sequence[int]) -> None:
        super().__init__(common, channels=channels, pool_scales=pool_scales)
        lower = common.in_channels[:-1]
        self.lateral_convs = nn.ModuleList(ConvModule(width, channels, 1) for width in lower)
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, 3) for _ in lower)
        self.fpn_bottleneck = ConvModule(len(common.in_channels) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the first stage."""
        top = self.pool_pyramid(features[-1])
        levels = [top]
        for feature, lateral, conv in zip(
            reversed(features[:-1]),
            reversed(self.lateral_convs),
            reversed(self.fpn_convs),
            strict=True,
        ):
            enlarged = resize(top, get_size(feature), align_corners=self.align_corners)
            top = lateral(feature) + enlarged
            levels.insert(0, conv(top))
        size_hw = get_size(features[0])
        return self.classify(
            fuse_maps(levels, self.fpn_bottleneck, size_hw, align_corners=self.align_corners)
        )


build_upernet = make_architecture(UPerHead)

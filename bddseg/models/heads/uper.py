"""UPerNet: a feature pyramid on a pyramid pooling module.

Xiao et al., Unified Perceptual Parsing for Scene Understanding, ECCV 2018 (arXiv 1807.10221),
figure 4; the part that parses objects.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import EncoderDecoder, HeadOptions
from bddseg.models.heads.fcn import build_auxiliary_head
from bddseg.models.heads.psp import PSPHead
from bddseg.models.layers import ConvModule, fuse_maps, get_size, resize


class UPerHead(PSPHead):
    """The pyramid pooling module on the last stage, then a top-down path over all stages."""

    def __init__(
        self,
        stage_channels: Sequence[int],
        channels: int,
        options: HeadOptions,
        *,
        pool_scales: Sequence[int],
    ) -> None:
        super().__init__(stage_channels[-1], channels, options, pool_scales=pool_scales)
        lower = stage_channels[:-1]
        self.lateral_convs = nn.ModuleList(ConvModule(width, channels, 1) for width in lower)
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, 3) for _ in lower)
        self.fpn_bottleneck = ConvModule(len(stage_channels) * channels, channels, 3)

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


def build_upernet(
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
    """Return a UPerNet on a ResNet; see `ResNetV1c`, `UPerHead` and `FCNHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = UPerHead(backbone.out_channels, channels, options, pool_scales=pool_scales)
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

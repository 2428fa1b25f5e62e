"""FCN head: a convolution, then classes; the auxiliary head of most networks, and all of HRNet's.

Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015 (arXiv 1411.4038).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.encoder_decoder import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule

# Training's second loss hangs on the third stage (Zhao et al., PSPNet, section 3.3).
_AUXILIARY_STAGE = 2


class FCNHead(DecodeHead):
    """One 3x3 convolution on the features of one stage, then classes."""

    def __init__(
        self, in_channels: int, channels: int, options: HeadOptions, *, stage: int
    ) -> None:
        super().__init__(channels, options)
        self.stage = stage
        self.convs = nn.Sequential(ConvModule(in_channels, channels, 3))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the stage."""
        return self.classify(self.convs(features[self.stage]))


def build_auxiliary_head(
    stage_channels: Sequence[int], channels: int, options: HeadOptions
) -> FCNHead | None:
    """Return the head for training's second loss, or None if `channels` is 0."""
    if channels == 0:
        return None
    in_channels = stage_channels[_AUXILIARY_STAGE]
    return FCNHead(in_channels, channels, options, stage=_AUXILIARY_STAGE)

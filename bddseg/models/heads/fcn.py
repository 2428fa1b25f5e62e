"""FCN: one convolution, then the classes; the auxiliary head of most networks.

Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015 (arXiv 1411.4038).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule
from bddseg.models.options import OptionError


class FCNHead(DecodeHead):
    """One 3x3 convolution on the features of one stage, then the classes.

    Args:
        stage: Index of the stage, from 0; the third one is usual for an auxiliary head (Zhao et
            al., PSPNet, section 3.3).

    Raises:
        OptionError: The backbone has no such stage.
    """

    def __init__(self, common: HeadOptions, *, channels: int, stage: int = 2) -> None:
        super().__init__(common, channels=channels)
        if not 0 <= stage < len(common.in_channels):
            raise OptionError(
                "stage",
                f"is {stage}; the backbone's stages are 0 to {len(common.in_channels) - 1}.",
                "Give the index of one of these stages.",
            )
        self.stage = stage
        self.convs = nn.Sequential(ConvModule(common.in_channels[stage], channels, 3))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the stage."""
        return self.classify(self.convs(features[self.stage]))

"""HRNet's head: all resolutions together, one 1x1 convolution.

Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2020
(arXiv 1908.07919), figure 4b (HRNetV2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bddseg.models.backbones.hrnet import HRNet
from bddseg.models.encoder_decoder import DecodeHead, EncoderDecoder, HeadOptions
from bddseg.models.layers import ConvModule, get_size, resize


class HRHead(DecodeHead):
    """The maps of all branches at the size of the finest, convolved and classified.

    Args:
        branch_channels: of the backbone's branches.
        channels: width of the head.
        options: shared by the network's heads.
        kernel_size: of the convolution.
    """

    def __init__(
        self,
        branch_channels: Sequence[int],
        channels: int,
        options: HeadOptions,
        *,
        kernel_size: int,
    ) -> None:
        super().__init__(channels, options)
        self.convs = nn.Sequential(ConvModule(sum(branch_channels), channels, kernel_size))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the finest branch."""
        size_hw = get_size(features[0])
        fitted = [resize(x, size_hw, align_corners=self.align_corners) for x in features]
        return self.classify(self.convs(torch.cat(fitted, dim=1)))


def build_hrnet(
    *,
    num_classes: int,
    width: int,
    modules: Sequence[int],
    blocks: int,
    channels: int,
    kernel_size: int,
    dropout: float,
    align_corners: bool,
) -> EncoderDecoder:
    """Return an HRNet with its segmentation head; see `HRNet` and `HRHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = HRNet(width=width, modules=modules, blocks=blocks)
    return EncoderDecoder(
        backbone, HRHead(backbone.out_channels, channels, options, kernel_size=kernel_size)
    )

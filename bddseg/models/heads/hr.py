"""HRNet's head: all resolutions together, one 1x1 convolution.

Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2020
(arXiv 1908.07919), figure 4b (HRNetV2).
"""

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.backbones.hrnet import HRNet
from bddseg.models.encoder_decoder import DecodeHead, EncoderDecoder, HeadOptions
from bddseg.models.layers import ConvModule, get_size, resize


class HRHead(DecodeHead):
    """The maps of all branches at the size of the finest, convolved and classified."""

    def __init__(self, branch_channels: Sequence[int], channels: int, options: HeadOptions) -> None:
        super().__init__(channels, options)
        self.convs = nn.Sequential(ConvModule(sum(branch_channels), channels, 1))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the finest branch.

        The paper enlarges the maps, stacks them and convolves the stack. A 1x1 convolution works
        on each position alone, so each map can as well be convolved first, at its own size.
        """
        conv = self.get_submodule("convs.0")
        assert isinstance(conv, ConvModule)
        weights = torch.split(conv.conv.weight, [x.shape[1] for x in features], dim=1)
        size_hw = get_size(features[0])
        parts = (
            resize(F.conv2d(x, weight), size_hw, align_corners=self.align_corners)
            for x, weight in zip(features, weights, strict=True)
        )
        return self.classify(conv.activate(reduce(torch.Tensor.add_, parts)))


def build_hrnet(
    *,
    num_classes: int,
    width: int,
    modules: Sequence[int],
    blocks: int,
    channels: int,
    dropout: float,
    align_corners: bool,
) -> EncoderDecoder:
    """Return an HRNet with its segmentation head; see `HRNet` and `HRHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = HRNet(width=width, modules=modules, blocks=blocks)
    return EncoderDecoder(backbone, HRHead(backbone.out_channels, channels, options))

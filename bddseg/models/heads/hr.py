"""HRNet's head: the maps of all resolutions, joined by one 1x1 convolution.

Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2020
(arXiv 1908.07919), figure 4b (HRNetV2).
"""

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, get_size, resize


class HRHead(DecodeHead):
    """The maps of all stages at the size of the finest, convolved and classified."""

    def __init__(self, common: HeadOptions, *, channels: int) -> None:
        super().__init__(common, channels=channels)
        self.convs = nn.Sequential(ConvModule(sum(common.in_channels), channels, 1))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the first stage.

        The paper enlarges the maps, concatenates them and convolves the result. A 1x1 convolution
        treats each position alone, so here each map is first convolved at its own size.
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


build_hrnet = make_architecture(HRHead)

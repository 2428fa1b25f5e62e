"""The layers that GCNet, CCNet and DNLNet have around their attention blocks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule


class ContextHead(DecodeHead):
    """A block between two convolutions; its output is joined with the last stage's features.

    Each subclass adds the block itself, under the name that it has in published checkpoints.
    """

    def __init__(self, in_channels: Sequence[int], common: HeadOptions, *, channels: int) -> None:
        super().__init__(in_channels, common, channels=channels)
        self.convs = nn.Sequential(
            ConvModule(in_channels[-1], channels, 3), ConvModule(channels, channels, 3)
        )
        self.conv_cat = ConvModule(in_channels[-1] + channels, channels, 3)

    def add_context(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        raise NotImplementedError

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        context = self.convs[1](self.add_context(self.convs[0](x)))
        return self.classify(self.conv_cat(torch.cat([x, context], dim=1)))

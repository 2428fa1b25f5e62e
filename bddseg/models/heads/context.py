"""The frame that GCNet, CCNet and DNLNet put around their attention blocks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bddseg.models.encoder_decoder import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule


class ContextHead(DecodeHead):
    """A block between two convolutions, and the last stage's features beside them.

    The block itself is a submodule of the heads that derive from this one, each under the name that
    the published checkpoints give it.
    """

    def __init__(self, in_channels: int, channels: int, options: HeadOptions) -> None:
        super().__init__(channels, options)
        self.convs = nn.Sequential(
            ConvModule(in_channels, channels, 3), ConvModule(channels, channels, 3)
        )
        self.conv_cat = ConvModule(in_channels + channels, channels, 3)

    def add_context(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        raise NotImplementedError

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        context = self.convs[1](self.add_context(self.convs[0](x)))
        return self.classify(self.conv_cat(torch.cat([x, context], dim=1)))

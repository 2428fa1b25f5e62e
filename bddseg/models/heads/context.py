"""The layers that GCNet, CCNet and DNLNet have around their attention blocks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule


class ContextHead(DecodeHead):
    """A block between two convolutions; its output is joined with the last stage's features.

    Args:
        name: The block's name in published checkpoints.
        block: (N, channels, h, w) -> the same shape.
        rounds: How many times the block is applied.
    """

    def __init__(
        self, common: HeadOptions, *, channels: int, name: str, block: nn.Module, rounds: int = 1
    ) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.convs = nn.Sequential(
            ConvModule(width, channels, 3), ConvModule(channels, channels, 3)
        )
        self.conv_cat = ConvModule(width + channels, channels, 3)
        self.add_module(name, block)
        self._name, self._rounds = name, rounds

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        context = self.convs[0](x)
        for _ in range(self._rounds):
            context = self.get_submodule(self._name)(context)
        return self.classify(self.conv_cat(torch.cat([x, self.convs[1](context)], dim=1)))

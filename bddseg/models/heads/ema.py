"""EMANet: features are reconstructed from a few bases, found by expectation maximisation.

Li et al., Expectation-Maximization Attention Networks for Semantic Segmentation, ICCV 2019
(arXiv 1907.13426), section 3.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, bare_convolution, widen


class EMAModule(nn.Module):
    """Expectation-maximisation attention.

    Args:
        channels: C, of the features.
        num_bases: Number of bases, B.
        num_stages: Number of iterations.
        momentum: Weight of a batch's bases in the running average, in training.
    """

    bases: Tensor

    def __init__(self, channels: int, num_bases: int, num_stages: int, momentum: float) -> None:
        super().__init__()
        self.num_stages = num_stages
        self.momentum = momentum
        bases = torch.randn(1, channels, num_bases) * math.sqrt(2 / num_bases)
        self.register_buffer("bases", F.normalize(bases, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape: each position as a weighted sum of the bases."""
        features = x.flatten(2)
        bases, shares = self._find_bases(widen(features.detach()))
        if self.training:
            self._update_bases(bases)
        return (bases.to(x) @ shares.transpose(1, 2).to(x)).reshape(x.shape)

    @torch.no_grad()
    def _find_bases(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bases (N, C, B) and the weight of each at each position (N, h * w, B)."""
        bases = widen(self.bases).expand(len(features), -1, -1)
        shares = features.new_empty(0)
        for _ in range(self.num_stages):
            shares = (features.transpose(1, 2) @ bases).softmax(dim=2)
            bases = F.normalize(features @ F.normalize(shares, p=1, dim=1), dim=1)
        return bases, shares

    @torch.no_grad()
    def _update_bases(self, bases: Tensor) -> None:
        mean = bases.mean(dim=0, keepdim=True)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(mean.div_(distributed.get_world_size()))
        self.bases.lerp_(F.normalize(mean, dim=1), self.momentum)


class EMAHead(DecodeHead):
    """An EMA module with a shortcut, joined with the last stage's features.

    Args:
        ema_channels: Channels of the EMA module.
        num_bases: See `EMAModule`.
        num_stages: See `EMAModule`.
        momentum: See `EMAModule`.
    """

    def __init__(
        self,
        common: HeadOptions,
        *,
        channels: int,
        ema_channels: int,
        num_bases: int,
        num_stages: int,
        momentum: float,
    ) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.ema_module = EMAModule(ema_channels, num_bases, num_stages, momentum)
        self.ema_in_conv = ConvModule(width, ema_channels, 3)
        # Maps features from (0, inf) to (-inf, inf); not trained (reference, ema_head.py).
        self.ema_mid_conv = bare_convolution(ema_channels, ema_channels).requires_grad_(False)
        self.ema_out_conv = ConvModule(ema_channels, ema_channels, 1, activation=False)
        self.bottleneck = ConvModule(ema_channels, channels, 3)
        self.conv_cat = ConvModule(width + channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        reduced = self.ema_in_conv(x)
        rebuilt = F.relu(self.ema_module(self.ema_mid_conv(reduced)))
        fused = self.bottleneck(F.relu(reduced + self.ema_out_conv(rebuilt)))
        return self.classify(self.conv_cat(torch.cat([x, fused], dim=1)))


build_emanet = make_architecture(EMAHead)

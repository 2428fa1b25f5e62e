"""EMANet: features are rebuilt from a few bases, found by expectation maximisation.

Li et al., Expectation-Maximization Attention Networks for Semantic Segmentation, ICCV 2019
(arXiv 1907.13426), section 3.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import DecodeHead, EncoderDecoder, HeadOptions
from bddseg.models.heads.fcn import build_auxiliary_head
from bddseg.models.layers import BareConv, ConvModule


class EMAModule(nn.Module):
    """Expectation-maximisation attention.

    Args:
        channels: C, of the features.
        num_bases: K.
        num_stages: rounds of expectation and maximisation.
        momentum: share of a batch's bases in the running ones, in training.
    """

    bases: Tensor

    def __init__(self, channels: int, num_bases: int, num_stages: int, momentum: float) -> None:
        super().__init__()
        self.num_stages = num_stages
        self.momentum = momentum
        bases = torch.randn(1, channels, num_bases) * math.sqrt(2 / num_bases)
        self.register_buffer("bases", F.normalize(bases, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape: each position as a mixture of the bases."""
        features = x.flatten(2)
        bases, shares = self._find_bases(features.detach())
        if self.training:
            self._update_bases(bases)
        return (bases @ shares.transpose(1, 2)).reshape(x.shape)

    @torch.no_grad()
    def _find_bases(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bases (N, C, K) and the share of each at each position (N, h * w, K)."""
        bases = self.bases.expand(len(features), -1, -1)
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
    """An EMA module with a shortcut, and the last stage's features beside it.

    Args:
        in_channels: of the last stage.
        channels: width of the head.
        options: shared by the network's heads.
        ema_channels: width of the EMA module.
        num_bases: see `EMAModule`, like the next two.
        num_stages: rounds.
        momentum: in training.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        options: HeadOptions,
        *,
        ema_channels: int,
        num_bases: int,
        num_stages: int,
        momentum: float,
    ) -> None:
        super().__init__(channels, options)
        self.ema_module = EMAModule(ema_channels, num_bases, num_stages, momentum)
        self.ema_in_conv = ConvModule(in_channels, ema_channels, 3)
        # Takes features from (0, inf) to (-inf, inf); not trained (reference, ema_head.py).
        self.ema_mid_conv = BareConv(ema_channels, ema_channels).requires_grad_(False)
        self.ema_out_conv = ConvModule(ema_channels, ema_channels, 1, activation=False)
        self.bottleneck = ConvModule(ema_channels, channels, 3)
        self.conv_cat = ConvModule(in_channels + channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        reduced = self.ema_in_conv(x)
        rebuilt = F.relu(self.ema_module(self.ema_mid_conv(reduced)))
        fused = self.bottleneck(F.relu(reduced + self.ema_out_conv(rebuilt)))
        return self.classify(self.conv_cat(torch.cat([x, fused], dim=1)))


def build_emanet(
    *,
    num_classes: int,
    depth: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    channels: int,
    ema_channels: int,
    num_bases: int,
    num_stages: int,
    momentum: float,
    dropout: float,
    auxiliary_channels: int,
    align_corners: bool,
    base_channels: int = 64,
) -> EncoderDecoder:
    """Return an EMANet on a ResNet; see `ResNetV1c`, `EMAHead` and `FCNHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = EMAHead(
        backbone.out_channels[-1],
        channels,
        options,
        ema_channels=ema_channels,
        num_bases=num_bases,
        num_stages=num_stages,
        momentum=momentum,
    )
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

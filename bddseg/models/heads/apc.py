"""APCNet: each position weights the regions of grids of several sizes.

He et al., Adaptive Pyramid Context Network for Semantic Segmentation, CVPR 2019
(https://openaccess.thecvf.com/content_CVPR_2019/html/He_Adaptive_Pyramid_Context_Network_for_Semantic_Segmentation_CVPR_2019_paper.html),
section 3.3.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, GridPool


class AdaptiveContext(nn.Module):
    """The adaptive context module for a grid of `pool_scale` x `pool_scale` regions."""

    def __init__(self, in_channels: int, channels: int, pool_scale: int) -> None:
        super().__init__()
        self.pool_scale = pool_scale
        self.pooled_redu_conv = ConvModule(in_channels, channels, 1)
        self.input_redu_conv = ConvModule(in_channels, channels, 1)
        self.global_info = ConvModule(channels, channels, 1)
        self.gla = nn.Conv2d(channels, pool_scale**2, 1)
        self.residual_conv = ConvModule(channels, channels, 1)
        self.fusion_conv = ConvModule(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        regions = self.pooled_redu_conv(GridPool(self.pool_scale)(x)).flatten(2)
        local = self.input_redu_conv(x)
        scene = self.global_info(F.adaptive_avg_pool2d(local, 1))
        # (N, regions, h * w): how much each position takes from each region.
        affinity = self.gla(local + scene).flatten(2).sigmoid()
        # A 1x1 convolution of the mixture is the mixture of the convolved regions, which are few.
        weight = self.residual_conv.conv.weight
        context = F.conv2d(regions[..., None], weight).flatten(2) @ affinity
        residual = self.residual_conv.activate(context.reshape(local.shape))
        fused: Tensor = self.fusion_conv(F.relu(residual + local))
        return fused


class APCHead(DecodeHead):
    """Adaptive contexts of several scales, joined with the last stage's features.

    Args:
        pool_scales: Number of cells along each axis, for each grid.
    """

    def __init__(self, common: HeadOptions, *, channels: int, pool_scales: Sequence[int]) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.acm_modules = nn.ModuleList(AdaptiveContext(width, channels, n) for n in pool_scales)
        self.bottleneck = ConvModule(width + len(pool_scales) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        contexts = [module(x) for module in self.acm_modules]
        return self.classify(self.bottleneck(torch.cat([x, *contexts], dim=1)))


build_apcnet = make_architecture(APCHead)

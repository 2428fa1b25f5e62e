"""DMNet: filters of several sizes, computed from the image that they are applied to.

He et al., Dynamic Multi-Scale Filters for Semantic Segmentation, ICCV 2019
(https://openaccess.thecvf.com/content_ICCV_2019/html/He_Dynamic_Multi-Scale_Filters_for_Semantic_Segmentation_ICCV_2019_paper.html),
section 3.2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, GridPool


class DynamicConv(nn.Module):
    """The dynamic convolutional module: one filter for each channel of each image."""

    def __init__(self, in_channels: int, channels: int, filter_size: int) -> None:
        super().__init__()
        self.filter_size = filter_size
        self.filter_gen_conv = nn.Conv2d(in_channels, channels, 1)
        self.input_redu_conv = ConvModule(in_channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h, w)."""
        filters = self.filter_gen_conv(GridPool(self.filter_size)(x))
        reduced = self.input_redu_conv(x)
        n, channels, height, width = reduced.shape
        # Images and channels become groups of one convolution: each has a filter of its own.
        before, after = self.filter_size // 2, (self.filter_size - 1) // 2
        padded = F.pad(reduced, (before, after, before, after))
        filtered = F.conv2d(
            padded.reshape(1, n * channels, *padded.shape[2:]),
            filters.reshape(n * channels, 1, self.filter_size, self.filter_size),
            groups=n * channels,
        )
        return F.relu(self.norm(filtered.reshape(n, channels, height, width)))


class DMHead(DecodeHead):
    """Dynamic convolutions of several sizes, joined with the last stage's features.

    Args:
        filter_sizes: Height and width of each convolution's filters.
    """

    def __init__(self, common: HeadOptions, *, channels: int, filter_sizes: Sequence[int]) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.dcm_modules = nn.ModuleList(DynamicConv(width, channels, n) for n in filter_sizes)
        self.bottleneck = ConvModule(width + len(filter_sizes) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        filtered = [module(x) for module in self.dcm_modules]
        return self.classify(self.bottleneck(torch.cat([x, *filtered], dim=1)))


build_dmnet = make_architecture(DMHead)

"""CCNet: every position attends to its row and column; after two rounds, to the whole image.

Huang et al., CCNet: Criss-Cross Attention for Semantic Segmentation, ICCV 2019 and TPAMI 2020
(arXiv 1811.11721), section 3.2.
"""

import torch
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.context import ContextHead
from bddseg.models.heads.head import HeadOptions
from bddseg.models.layers import widen


class CrissCrossAttention(nn.Module):
    """Attention over the positions of the same row and column."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.ParameterDict({"scale": torch.tensor(0.0)})

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        query, key, value = self.query_conv(x), self.key_conv(x), self.value_conv(x)
        height = x.shape[2]
        query, key = widen(query), widen(key)
        in_column = torch.einsum("nchw,nciw->nhwi", query, key)
        in_row = torch.einsum("nchw,nchj->nhwj", query, key)
        # A position attends to itself once: in its row, not in its column.
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None]
        in_column = in_column.masked_fill(itself, -torch.inf)
        weights = torch.cat([in_column, in_row], dim=3).softmax(dim=3).to(value)
        gathered = torch.einsum("nciw,nhwi->nchw", value, weights[..., :height])
        gathered = gathered + torch.einsum("nchj,nhwj->nchw", value, weights[..., height:])
        out: Tensor = gathered * self.gamma["scale"] + x
        return out


class CCHead(ContextHead):
    """Criss-cross attention between two convolutions; its channels are a multiple of 8.

    Args:
        recurrence: How many times it is applied, with the same weights.
    """

    def __init__(self, common: HeadOptions, *, channels: int, recurrence: int) -> None:
        block = CrissCrossAttention(channels)
        super().__init__(common, channels=channels, name="cca", block=block, rounds=recurrence)


build_ccnet = make_architecture(CCHead)

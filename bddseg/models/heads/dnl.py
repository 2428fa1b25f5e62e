"""DNLNet: non-local attention as the sum of a pairwise and a unary term.

Yin et al., Disentangled Non-Local Neural Networks, ECCV 2020 (arXiv 2006.06668), equation 10.
"""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.context import ContextHead
from bddseg.models.heads.head import HeadOptions
from bddseg.models.layers import ConvModule, bare_convolution, convolve_wide, widen

# Divides the pairwise logits; the reference's default, which all published models use.
_TEMPERATURE = 0.05


class DisentangledNonLocal(nn.Module):
    """The disentangled non-local block.

    Args:
        channels: C, of the input and the output.
        reduction: Queries, keys and values have C / reduction channels.
        use_scale: Divide pairwise logits by the square root of that number.
    """

    def __init__(self, channels: int, reduction: int, use_scale: bool) -> None:
        super().__init__()
        width = max(channels // reduction, 1)
        self.g = bare_convolution(channels, width)
        self.theta = bare_convolution(channels, width)
        self.phi = bare_convolution(channels, width)
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.conv_out = ConvModule(width, channels, 1, activation=False)
        self.scale = 1 / (_TEMPERATURE * (math.sqrt(width) if use_scale else 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        value, query, key = self.g(x), self.theta(x), self.phi(x)
        value = widen(value).flatten(2).transpose(1, 2).contiguous()
        query, key = self._whiten(widen(query)), self._whiten(widen(key))
        # Fused attention never holds the (h w) x (h w) matrix of weights. On a CPU it exists only
        # for four dimensions: (N, heads, positions, channels).
        pairwise = F.scaled_dot_product_attention(
            query[:, None], key[:, None], value[:, None], scale=self.scale
        )[:, 0]
        unary = convolve_wide(x, self.conv_mask).flatten(2).softmax(dim=2) @ value
        gathered = (pairwise + unary).transpose(1, 2).to(x)
        out: Tensor = x + self.conv_out(gathered.reshape(*gathered.shape[:2], *x.shape[2:]))
        return out

    @staticmethod
    def _whiten(x: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, h * w, c), minus the mean over positions."""
        flat = x.flatten(2)
        return (flat - flat.mean(dim=2, keepdim=True)).transpose(1, 2).contiguous()


class DNLHead(ContextHead):
    """A disentangled non-local block between two convolutions; see there for its options."""

    def __init__(
        self, common: HeadOptions, *, channels: int, reduction: int, use_scale: bool
    ) -> None:
        block = DisentangledNonLocal(channels, reduction, use_scale)
        super().__init__(common, channels=channels, name="dnl_block", block=block)


build_dnlnet = make_architecture(DNLHead)

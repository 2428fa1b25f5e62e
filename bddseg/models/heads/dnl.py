"""DNLNet: non-local attention, split into how alike two positions are and how salient one is.

Yin et al., Disentangled Non-Local Neural Networks, ECCV 2020 (arXiv 2006.06668), equation 10.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import EncoderDecoder, HeadOptions
from bddseg.models.heads.context import ContextHead
from bddseg.models.heads.fcn import build_auxiliary_head
from bddseg.models.layers import BareConv, ConvModule

# Divides the pairwise logits; the reference's default, which all published models have.
_TEMPERATURE = 0.05


class DisentangledNonLocal(nn.Module):
    """The disentangled non-local block.

    Args:
        channels: C.
        reduction: queries, keys and values have C / reduction channels.
        use_scale: whether pairwise logits are divided by the root of that number.
    """

    def __init__(self, channels: int, reduction: int, use_scale: bool) -> None:
        super().__init__()
        width = max(channels // reduction, 1)
        self.g = BareConv(channels, width)
        self.theta = BareConv(channels, width)
        self.phi = BareConv(channels, width)
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.conv_out = ConvModule(width, channels, 1, activation=False)
        self.scale = 1 / (_TEMPERATURE * (math.sqrt(width) if use_scale else 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        value = self.g(x).flatten(2).transpose(1, 2).contiguous()
        query, key = self._whiten(self.theta(x)), self._whiten(self.phi(x))
        # The fused attention never holds the (h w) x (h w) matrix of weights. On a CPU there is one
        # only for four dimensions: (N, heads, positions, channels).
        pairwise = F.scaled_dot_product_attention(
            query[:, None], key[:, None], value[:, None], scale=self.scale
        )[:, 0]
        unary = self.conv_mask(x).flatten(2).softmax(dim=2) @ value
        gathered = (pairwise + unary).transpose(1, 2)
        out: Tensor = x + self.conv_out(gathered.reshape(*gathered.shape[:2], *x.shape[2:]))
        return out

    @staticmethod
    def _whiten(x: Tensor) -> Tensor:
        """(N, c, h, w) -> (N, h * w, c), less the mean over positions."""
        flat = x.flatten(2)
        return (flat - flat.mean(dim=2, keepdim=True)).transpose(1, 2).contiguous()


class DNLHead(ContextHead):
    """A disentangled non-local block between two convolutions."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        options: HeadOptions,
        *,
        reduction: int,
        use_scale: bool,
    ) -> None:
        super().__init__(in_channels, channels, options)
        self.dnl_block = DisentangledNonLocal(channels, reduction, use_scale)

    def add_context(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        out: Tensor = self.dnl_block(x)
        return out


def build_dnlnet(
    *,
    num_classes: int,
    depth: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    channels: int,
    reduction: int,
    use_scale: bool,
    dropout: float,
    auxiliary_channels: int,
    align_corners: bool,
    base_channels: int = 64,
) -> EncoderDecoder:
    """Return a DNLNet on a ResNet; see `ResNetV1c`, `DisentangledNonLocal` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = DNLHead(
        backbone.out_channels[-1], channels, options, reduction=reduction, use_scale=use_scale
    )
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

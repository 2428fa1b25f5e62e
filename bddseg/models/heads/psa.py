"""PSANet: every position predicts how much it collects from, and distributes to, every other.

Zhao et al., PSANet: Point-wise Spatial Attention Network for Scene Parsing, ECCV 2018
(https://hszhao.github.io/papers/eccv18_psanet.pdf), section 3.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, fuse_maps, get_size, resize, widen

Direction = Literal["collect", "distribute", "bi-direction"]


class PSAHead(DecodeHead):
    """Point-wise spatial attention, joined with the last stage's features.

    A position's attention is predicted for relative offsets, as a mask of `mask_hw` centred on it.
    Offsets beyond the mask have logit 0, which still counts in the softmax, as in the reference.

    Args:
        mask_hw: Height and width of the mask, in positions of the smaller map; odd numbers.
        direction: "collect" (a position weights what it receives), "distribute" (it weights what it
            sends) or "bi-direction", both.
        shrink_factor: The attention works on a map that is smaller by this factor.
        normalization_factor: Divides the gathered features.
        softmax: Normalise the weights.
    """

    def __init__(
        self,
        common: HeadOptions,
        *,
        channels: int,
        mask_hw: tuple[int, int],
        direction: Direction,
        shrink_factor: int,
        normalization_factor: float,
        softmax: bool,
    ) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.mask_hw = mask_hw
        self.direction = direction
        self.shrink_factor = shrink_factor
        self.normalization_factor = normalization_factor
        self.softmax = softmax
        self.reduce = ConvModule(width, channels, 1)
        self.attention = self._make_attention(channels)
        both = direction == "bi-direction"
        if both:
            self.reduce_p = ConvModule(width, channels, 1)
            self.attention_p = self._make_attention(channels)
        # A padded 1x1 convolution: its output has a border of constants, as in the reference.
        self.proj = ConvModule(channels * (1 + both), width, 1, padding=1)
        self.bottleneck = ConvModule(width * 2, channels, 3)

    def _make_attention(self, channels: int) -> nn.Sequential:
        height, width = self.mask_hw
        return nn.Sequential(
            ConvModule(channels, channels, 1), nn.Conv2d(channels, height * width, 1, bias=False)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        x = features[-1]
        size_hw, align_corners = self._shrink_size(get_size(x))
        over = -2 if self.direction == "distribute" else -1
        reduced = resize(self.reduce(x), size_hw, align_corners=align_corners)
        gathered = [self._gather(reduced, self.attention, over)]
        if self.direction == "bi-direction":
            reduced = resize(self.reduce_p(x), size_hw, align_corners=align_corners)
            gathered.append(self._gather(reduced, self.attention_p, -2))
        context = self.proj(torch.cat(gathered, dim=1))
        return self.classify(
            fuse_maps([x, context], self.bottleneck, get_size(x), align_corners=align_corners)
        )

    def _shrink_size(self, size_hw: tuple[int, int]) -> tuple[tuple[int, int], bool]:
        """Return the size of the attention's map, and the align_corners for resizing to it."""
        height, width = size_hw
        factor = self.shrink_factor
        if factor == 1:
            return size_hw, self.align_corners
        if height % factor and width % factor:
            return ((height - 1) // factor + 1, (width - 1) // factor + 1), True
        return (height // factor, width // factor), False

    def _gather(self, x: Tensor, attention: nn.Sequential, over: int) -> Tensor:
        """Return (N, channels, h, w): for each position, the weighted sum over all others.

        Args:
            x: (N, channels, h, w).
            attention: Predicts a position's mask.
            over: Axis of the logits (N, own, other) along which weights sum to 1. -1: a position
                collects from all others. -2: it distributes to them, and the weights of what each
                one receives sum to 1.
        """
        n, channels, height, width = x.shape
        hidden, predict = attention
        assert isinstance(predict, nn.Conv2d)
        features = hidden(x)
        logits = expand_masks(widen(features), widen(predict.weight), self.mask_hw)
        weights = (logits.softmax(dim=over) if self.softmax else logits).to(x)
        weights = weights.transpose(1, 2) if over == -1 else weights
        gathered = x.flatten(2) @ weights
        return gathered.reshape(n, channels, height, width) / self.normalization_factor


def expand_masks(x: Tensor, weight: Tensor, mask_hw: tuple[int, int]) -> Tensor:
    """Return the logit that each position's predicted mask has for each other position.

    Only the offsets that fall inside the map are computed, one row of positions at a time.

    Args:
        x: Features that masks are predicted from, (N, C, h, w).
        weight: Weight of the 1x1 convolution that predicts them, (mask_h * mask_w, C, 1, 1).
        mask_hw: Height and width of the mask.

    Returns:
        (N, h * w, h * w): [n, p, q] is the mask of position p at the offset q - p, 0 beyond it.
    """
    n, channels, height, width = x.shape
    masks = weight.reshape(*mask_hw, channels)
    middle = mask_hw[0] // 2
    rows = []
    for row in range(height):
        # Offsets from this row to the map's first and last row, as rows of the mask.
        first, last = middle - row, middle - row + height
        inside = masks[max(first, 0) : min(last, mask_hw[0])]
        logits = torch.einsum("ijc,ncw->niwj", inside, x[:, :, row])
        logits = skew_columns(logits, mask_hw[1] // 2)
        missing = (max(-first, 0), max(last - mask_hw[0], 0))
        logits = F.pad(logits, (0, 0, 0, 0, *missing))
        rows.append(logits.transpose(1, 2).reshape(n, width, height * width))
    return torch.cat(rows, dim=1)


def skew_columns(logits: Tensor, middle: int) -> Tensor:
    """Turn logits by offset into logits by position.

    Args:
        logits: (N, i, w, offsets).
        middle: Index of the offset that is the position itself.

    Returns:
        (N, i, w, w): [.., p, q] is the logit of position p for offset q - p, 0 where there is none.
    """
    n, rows, width, offsets = logits.shape
    # Exactly the offsets from -(w - 1) to w - 1; negative padding crops.
    padded = F.pad(logits, (width - 1 - middle, width - 1 - (offsets - 1 - middle)))
    # Position p's own offset is in column w - 1, and its logit for q in column w - 1 - p + q. Read
    # from the right end, each row is shifted by one more than the row before.
    flat = F.pad(padded.flip(2).flatten(2), (0, width))
    return flat.reshape(n, rows, width, 2 * width)[..., :width].flip(2)


build_psanet = make_architecture(PSAHead)

"""TwinLiteNet: one small encoder, one decoder for the drivable area and one for lane lines.

Che et al., TwinLiteNet: An Efficient and Lightweight Model for Driveable Area and Lane
Segmentation in Self-Driving Cars, 2023 (arXiv 2307.10705). The encoder is ESPNet's, followed by
the two attention modules of DANet (Fu et al., arXiv 1809.02983). Parameter names are those of the
published checkpoint.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.layers import widen
from bddseg_realtime.esp import EPSILON, Downsample, ResidualPyramid
from bddseg_realtime.layers import ConvNormAct, Upsample, fuse_layers, halve

_ConvNormAct = partial(ConvNormAct, eps=EPSILON)
_Upsample = partial(Upsample, eps=EPSILON)


class PositionAttention(nn.Module):
    """Each position is a sum over all others, weighted by similarity (Fu et al., section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        query, key, value = (
            conv(x).flatten(2).transpose(1, 2)[:, None].contiguous()
            for conv in (self.query_conv, self.key_conv, self.value_conv)
        )
        # Fused attention never holds the (h w) x (h w) matrix. On a CPU it needs four dimensions,
        # and queries with as many channels as values: added zeros change no similarity.
        if not torch.compiler.is_exporting():
            margin = (0, value.shape[3] - query.shape[3])
            query, key = F.pad(query, margin), F.pad(key, margin)
        gathered = F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]
        return self.gamma * gathered.transpose(1, 2).reshape(x.shape) + x


class ChannelAttention(nn.Module):
    """Each channel is a weighted sum over all others (Fu et al., section 3.3).

    Differing channels get the larger weights, as in the authors' code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        flat = x.flatten(2)
        # Sums over thousands of positions, not scaled, exceed half precision.
        wide = widen(flat)
        energy = wide @ wide.transpose(1, 2)
        attention = (energy.amax(dim=-1, keepdim=True) - energy).softmax(dim=-1).to(x)
        return self.gamma * (attention @ flat).reshape(x.shape) + x


class Encoder(nn.Module):
    """ESPNet-C with dual attention: images to features at an eighth of their size."""

    def __init__(self, level2_blocks: int, level3_blocks: int) -> None:
        super().__init__()
        self.level1 = _ConvNormAct(3, 16, 3, stride=2)
        self.b1 = _ConvNormAct(16 + 3, 19, 3)
        self.level2_0 = Downsample(19, 64)
        self.level2 = nn.ModuleList(ResidualPyramid(64) for _ in range(level2_blocks))
        self.b2 = _ConvNormAct(128 + 3, 131, 3)
        self.level3_0 = Downsample(131, 128)
        self.level3 = nn.ModuleList(ResidualPyramid(128) for _ in range(level3_blocks))
        self.b3 = _ConvNormAct(256, 32, 3)
        self.sa = PositionAttention(32)
        self.sc = ChannelAttention()
        self.conv_sa = _ConvNormAct(32, 32, 3)
        self.conv_sc = _ConvNormAct(32, 32, 3)
        self.classifier = _ConvNormAct(32, 32, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 32, H / 8, W / 8)."""
        half = halve(images)
        quarter = halve(half)
        level1 = self.b1(torch.cat([self.level1(images), half], dim=1))
        level2_0 = self.level2_0(level1)
        level2 = level2_0
        for block in self.level2:
            level2 = block(level2)
        level2 = self.b2(torch.cat([level2, level2_0, quarter], dim=1))
        level3_0 = self.level3_0(level2)
        level3 = level3_0
        for block in self.level3:
            level3 = block(level3)
        features = self.b3(torch.cat([level3_0, level3], dim=1))
        attended = self.conv_sa(self.sa(features)) + self.conv_sc(self.sc(features))
        out: Tensor = self.classifier(attended)
        return out


class TwinLiteNet(nn.Module):
    """The encoder and its two decoders; predictions use the one for the drivable area.

    Args:
        level2_blocks: Number of residual pyramids at a quarter of the image's size.
        level3_blocks: Number of residual pyramids at an eighth of it.
    """

    align_corners = False

    def __init__(self, level2_blocks: int, level3_blocks: int) -> None:
        super().__init__()
        self.encoder = Encoder(level2_blocks, level3_blocks)
        self.up_1_1 = _Upsample(32, 16)
        self.up_2_1 = _Upsample(16, 8)
        self.up_1_2 = _Upsample(32, 16)
        self.up_2_2 = _Upsample(16, 8)
        self.classifier_1 = _Upsample(8, 2)
        self.classifier_2 = _Upsample(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), pixels 0 to 1 -> logits (N, 2, H, W): background, drivable.

        H and W are multiples of 8; other sizes are rounded up.
        """
        drivable: Tensor = self.classifier_1(self.up_2_1(self.up_1_1(self.encoder(images))))
        return drivable

    def fuse(self) -> None:
        """Fold norms into convolutions and store channels last, which is fastest on CPUs."""
        fuse_layers(self)

    def forward_heads(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, H, W) -> the published outputs (N, 2, H, W): drivable area, lane lines."""
        features = self.encoder(images)
        drivable: Tensor = self.classifier_1(self.up_2_1(self.up_1_1(features)))
        lanes: Tensor = self.classifier_2(self.up_2_2(self.up_1_2(features)))
        return drivable, lanes


def build_twinlitenet(*, num_classes: int, level2_blocks: int, level3_blocks: int) -> TwinLiteNet:
    """Return a TwinLiteNet, which has the two classes background and drivable.

    Raises:
        BddsegError: `num_classes` is not 2.
    """
    if num_classes != 2:
        raise BddsegError(
            f"TwinLiteNet has 2 classes, not {num_classes}.",
            'Use it with task = "drivable_binary".',
        )
    return TwinLiteNet(level2_blocks, level3_blocks)

"""GCNet: one summary of the scene, added to every position.

Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV workshops
2019 and TPAMI 2020 (arXiv 1904.11492), figure 4d.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.backbones.resnet import ResNetV1c
from bddseg.models.encoder_decoder import EncoderDecoder, HeadOptions
from bddseg.models.heads.context import ContextHead
from bddseg.models.heads.fcn import build_auxiliary_head


class GlobalContext(nn.Module):
    """The global context block.

    Args:
        channels: C.
        ratio: width of the bottleneck transform, as a share of C.
    """

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        width = int(channels * ratio)
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.channel_add_conv = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LayerNorm([width, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        weights = self.conv_mask(x).flatten(2).softmax(dim=2)
        scene = x.flatten(2) @ weights.transpose(1, 2)
        added: Tensor = x + self.channel_add_conv(scene[..., None])
        return added


class GCHead(ContextHead):
    """A global context block between two convolutions."""

    def __init__(
        self, in_channels: int, channels: int, options: HeadOptions, *, ratio: float
    ) -> None:
        super().__init__(in_channels, channels, options)
        self.gc_block = GlobalContext(channels, ratio)

    def add_context(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        out: Tensor = self.gc_block(x)
        return out


def build_gcnet(
    *,
    num_classes: int,
    depth: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    channels: int,
    ratio: float,
    dropout: float,
    auxiliary_channels: int,
    align_corners: bool,
    base_channels: int = 64,
) -> EncoderDecoder:
    """Return a GCNet on a ResNet; see `ResNetV1c`, `GlobalContext`, `FCNHead` for the options."""
    options = HeadOptions(num_classes=num_classes, dropout=dropout, align_corners=align_corners)
    backbone = ResNetV1c(
        depth=depth, strides=strides, dilations=dilations, base_channels=base_channels
    )
    head = GCHead(backbone.out_channels[-1], channels, options, ratio=ratio)
    auxiliary_head = build_auxiliary_head(backbone.out_channels, auxiliary_channels, options)
    return EncoderDecoder(backbone, head, auxiliary_head)

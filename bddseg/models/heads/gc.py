"""GCNet: one context vector of the whole scene, added to every position.

Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV workshops
2019 and TPAMI 2020 (arXiv 1904.11492), figure 4d.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.context import ContextHead
from bddseg.models.heads.head import HeadOptions


class GlobalContext(nn.Module):
    """The global context block.

    Args:
        channels: C, of the input and the output.
        ratio: Channels of the bottleneck transform, as a share of C.
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
    """A global context block between two convolutions.

    Args:
        in_channels: Channels of all stages.
        common: Options that all heads of the network share.
        channels: Channels of the block and of the result.
        ratio: See `GlobalContext`.
    """

    def __init__(
        self, in_channels: Sequence[int], common: HeadOptions, *, channels: int, ratio: float
    ) -> None:
        super().__init__(in_channels, common, channels=channels)
        self.gc_block = GlobalContext(channels, ratio)

    def add_context(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        out: Tensor = self.gc_block(x)
        return out


build_gcnet = make_architecture(GCHead)

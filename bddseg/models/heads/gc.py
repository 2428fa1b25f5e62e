"""GCNet: one context vector of the whole scene, added to every position.

Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV workshops
2019 and TPAMI 2020 (arXiv 1904.11492), figure 4d.
"""

from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.context import ContextHead
from bddseg.models.heads.head import HeadOptions
from bddseg.models.layers import convolve_wide


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
        weights = convolve_wide(x, self.conv_mask).flatten(2).softmax(dim=2).to(x)
        scene = x.flatten(2) @ weights.transpose(1, 2)
        added: Tensor = x + self.channel_add_conv(scene[..., None])
        return added


class GCHead(ContextHead):
    """A global context block between two convolutions.

    Args:
        ratio: See `GlobalContext`.
    """

    def __init__(self, common: HeadOptions, *, channels: int, ratio: float) -> None:
        block = GlobalContext(channels, ratio)
        super().__init__(common, channels=channels, name="gc_block", block=block)


build_gcnet = make_architecture(GCHead)

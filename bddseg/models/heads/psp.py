"""PSPNet: averages over grids of four sizes give each pixel the context of the whole scene.

Zhao et al., Pyramid Scene Parsing Network, CVPR 2017 (arXiv 1612.01105), figure 3.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule, GridPool, fuse_maps, get_size


class PSPHead(DecodeHead):
    """The last stage's features and their pyramid, joined by a 3x3 convolution.

    Args:
        pool_scales: Number of cells along each axis, for each grid.
    """

    def __init__(self, common: HeadOptions, *, channels: int, pool_scales: Sequence[int]) -> None:
        super().__init__(common, channels=channels)
        width = common.in_channels[-1]
        self.psp_modules = nn.ModuleList(
            nn.Sequential(GridPool(scale), ConvModule(width, channels, 1)) for scale in pool_scales
        )
        self.bottleneck = ConvModule(width + len(pool_scales) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits (N, K, h, w) at the size of the last stage."""
        return self.classify(self.pool_pyramid(features[-1]))

    def pool_pyramid(self, x: Tensor) -> Tensor:
        """(N, in_channels[-1], h, w) -> (N, channels, h, w).

        The grids' averages are enlarged to the size of x, concatenated with it and convolved.
        """
        maps = [x, *(module(x) for module in self.psp_modules)]
        return fuse_maps(maps, self.bottleneck, get_size(x), align_corners=self.align_corners)


build_pspnet = make_architecture(PSPHead)

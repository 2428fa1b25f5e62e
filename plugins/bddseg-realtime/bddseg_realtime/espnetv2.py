"""ESPNetv2: depth-wise dilated pyramids, and a decoder that adds finer features step by step.

Mehta et al., ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural
Network, CVPR 2019 (arXiv 1811.11431). Parameter names are those of the published checkpoints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.layers import resize
from bddseg.models.network import fuse_convolutions
from bddseg_realtime.layers import Conv, ConvNormAct, NormAct, halve

# Branches of each pyramid, and groups of its 1x1 convolutions.
_BRANCHES = 4


class Pyramid(nn.Module):
    """EESP: reduce, convolve depth-wise at several dilations, sum them up, and expand.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        dilations: Dilation of each branch, ascending.
        stride: Of the depth-wise convolutions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, dilations: tuple[int, ...], *, stride: int = 1
    ) -> None:
        super().__init__()
        width = out_channels // _BRANCHES
        self.proj_1x1 = ConvNormAct(in_channels, width, 1, groups=_BRANCHES)
        self.spp_dw = nn.ModuleList(
            Conv(width, width, 3, stride=stride, dilation=d, groups=width) for d in dilations
        )
        self.conv_1x1_exp = ConvNormAct(out_channels, out_channels, 1, groups=_BRANCHES, act=False)
        self.br_after_cat = NormAct(out_channels)
        self.module_act = nn.PReLU(out_channels)
        self.is_residual = stride == 1 and in_channels == out_channels

    def expand(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h / stride, w / stride)."""
        reduced = self.proj_1x1(x)
        sums = [branch(reduced) for branch in self.spp_dw]
        for number in range(1, len(sums)):
            sums[number] = sums[number] + sums[number - 1]
        out: Tensor = self.conv_1x1_exp(self.br_after_cat(torch.cat(sums, dim=1)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """As `expand`, with a shortcut where shapes allow it, and the last activation."""
        expanded = self.expand(x)
        out: Tensor = self.module_act(expanded + x if self.is_residual else expanded)
        return out


class Downsample(nn.Module):
    """Halves the size: pooled input beside a pyramid, plus features of the image itself."""

    def __init__(self, in_channels: int, out_channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.eesp = Pyramid(in_channels, out_channels - in_channels, dilations, stride=2)
        # It is in the checkpoints, but here the activation comes after the sum.
        self.eesp.module_act.requires_grad_(False)
        self.inp_reinf = nn.Sequential(
            ConvNormAct(3, 3, 3), ConvNormAct(3, out_channels, 1, act=False)
        )
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """(N, in_channels, h, w), the image at half of that -> (N, out_channels, h / 2, w / 2)."""
        joined = torch.cat([halve(x), self.eesp.expand(x)], dim=1)
        out: Tensor = self.act(joined + self.inp_reinf(image))
        return out


class Encoder(nn.Module):
    """Features at 1/2, 1/4, 1/8 and 1/16 of the image's size."""

    def __init__(self) -> None:
        super().__init__()
        self.level1 = ConvNormAct(3, 32, 3, stride=2)
        self.level2_0 = Downsample(32, 64, (1, 2, 3, 4))
        self.level3_0 = Downsample(64, 128, (1, 2, 3, 4))
        self.level3 = nn.Sequential(*(Pyramid(128, 128, (1, 2, 3, 4)) for _ in range(3)))
        self.level4_0 = Downsample(128, 256, (1, 2, 3, 4))
        self.level4 = nn.Sequential(*(Pyramid(256, 256, (1, 1, 2, 3)) for _ in range(7)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> maps of 32, 64, 128 and 256 channels at 1/2, 1/4, 1/8 and 1/16."""
        quarter = halve(halve(images))
        eighth = halve(quarter)
        level1 = self.level1(images)
        level2 = self.level2_0(level1, quarter)
        level3 = self.level3(self.level3_0(level2, eighth))
        level4 = self.level4(self.level4_0(level3, halve(eighth)))
        return [level1, level2, level3, level4]


class PooledConvs(nn.Module):
    """Depth-wise convolutions of ever smaller copies of a map, joined with it at its size."""

    def __init__(self, channels: int, stages: int = 4) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            Conv(channels, channels, 3, groups=channels) for _ in range(stages)
        )
        self.project = ConvNormAct(channels * (stages + 1), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape.

        A 1x1 convolution of enlarged and concatenated maps is the sum of those of the maps before
        they are enlarged.
        """
        conv = self.project.conv
        first, *weights = torch.split(conv.weight, x.shape[1], dim=1)
        joined = F.conv2d(x, first, conv.bias)
        smaller = x
        for stage, weight in zip(self.stages, weights, strict=True):
            smaller = halve(smaller)
            joined = joined + _enlarge(F.conv2d(stage(smaller), weight), x)
        out: Tensor = self.project.act(self.project.bn(joined))
        return out


class ESPNetv2(nn.Module):
    """The encoder and its decoder.

    Args:
        num_classes: Number of classes, K.
    """

    # How the logits at the image's size are enlarged further; inside, corners are aligned.
    align_corners = False

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.net = Encoder()
        self.proj_L4_C = ConvNormAct(256, 128, 1)
        self.pspMod = nn.Sequential(Pyramid(256, 128, (1, 1, 2, 3)), PooledConvs(128))
        self.project_l3 = nn.Sequential(nn.Dropout2d(0.2), Conv(128, num_classes, 1))
        self.act_l3 = NormAct(num_classes)
        self.project_l2 = ConvNormAct(64 + num_classes, num_classes, 1)
        self.project_l1 = nn.Sequential(nn.Dropout2d(0.2), Conv(32 + num_classes, num_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> logits (N, K, H, W)."""
        level1, level2, level3, level4 = self.net(images)
        merged = self.pspMod(torch.cat([level3, _enlarge(self.proj_L4_C(level4), level3)], dim=1))
        coarse = self.act_l3(self.project_l3(merged))
        finer = self.project_l2(torch.cat([level2, _enlarge(coarse, level2)], dim=1))
        logits = self.project_l1(torch.cat([level1, _enlarge(finer, level1)], dim=1))
        return _enlarge(logits, images)

    def fuse(self) -> None:
        """Fold norms into the convolutions before them."""
        fuse_convolutions(self)


def _enlarge(x: Tensor, target: Tensor) -> Tensor:
    return resize(x, (target.shape[2], target.shape[3]), align_corners=True)


def build_espnetv2(*, num_classes: int) -> ESPNetv2:
    """Return an ESPNetv2 at its full width for any number of classes."""
    return ESPNetv2(num_classes)

"""ResNet-D, dilated: the backbone of most models of the zoo.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016 (arXiv 1512.03385); the stem of
three convolutions from He et al., Bag of Tricks, CVPR 2019 (arXiv 1812.01187), figure 2b, which
OpenMMLab calls ResNetV1c; dilation instead of stride from Chen et al., DeepLab (arXiv 1606.00915).
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.layers import convolve_3x3
from bddseg.models.network import fuse_convolutions
from bddseg.models.options import OptionError, check_length


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _project_shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, channels, h / stride, w / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.downsample(x)
        return F.relu(out, inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the stride is in the 3x3 one."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = _project_shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, 4 * channels, h / stride, w / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return F.relu(out, inplace=True)


def _project_shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the projection that a shortcut needs where the shape changes."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


# Depth -> block and number of blocks in each stage (He et al. 2016, table 1).
_DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


class ResNetV1c(nn.Module):
    """Images to the feature maps of four stages.

    Args:
        depth: 18, 34, 50 or 101.
        strides: Stride of each stage; the stem divides the size by 4 before them.
        dilations: Dilation of each stage's 3x3 convolutions. A stage's first block uses half of it,
            which OpenMMLab calls contract_dilation.
        base_channels: Channels of the stem; the published networks have 64.

    Raises:
        OptionError: There is no such depth, or `strides` or `dilations` do not fit the stages.
    """

    def __init__(
        self,
        *,
        depth: int,
        strides: Sequence[int],
        dilations: Sequence[int],
        base_channels: int = 64,
    ) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            known = ", ".join(map(str, _DEPTHS))
            raise OptionError("depth", f"is {depth}.", f"Depths of a ResNet: {known}.")
        block, counts = _DEPTHS[depth]
        check_length("strides", strides, len(counts))
        check_length("dilations", dilations, len(counts))
        half = base_channels // 2
        self.stem = nn.Sequential(
            *convolve_3x3(3, half, stride=2),
            *convolve_3x3(half, half),
            *convolve_3x3(half, base_channels),
        )
        widths = [base_channels * 2**stage for stage in range(len(counts))]
        self.out_channels = tuple(width * block.expansion for width in widths)
        in_channels = base_channels
        for stage, width in enumerate(widths):
            dilation, out_channels = dilations[stage], self.out_channels[stage]
            blocks = [block(in_channels, width, strides[stage], max(dilation // 2, 1))]
            blocks += [block(out_channels, width, 1, dilation) for _ in range(counts[stage] - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            in_channels = out_channels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> four maps of (N, out_channels[i], h, w), finest first."""
        x = F.max_pool2d(self.stem(images), 3, stride=2, padding=1)
        features = []
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
            features.append(x)
        return tuple(features)

    def fuse(self) -> None:
        """Fuse convolutions and norms, in place; see `Fusible`."""
        fuse_convolutions(self)

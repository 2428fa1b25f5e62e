"""HRNet: parallel branches of several resolutions that repeatedly exchange features.

Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2020
(arXiv 1908.07919), figures 2 and 3.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.backbones.resnet import BasicBlock, Bottleneck
from bddseg.models.layers import convolve_3x3, get_size, resize
from bddseg.models.network import fuse_convolutions
from bddseg.models.options import check_length

# Channels of the stem and of the bottlenecks in the first stage.
_STEM_CHANNELS = 64


class HRModule(nn.Module):
    """Residual blocks on each branch; then each branch receives features from all others.

    Args:
        widths: Channels of the branches, the finest first.
        blocks: Number of residual blocks on each branch.
    """

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width, 1, 1) for _ in range(blocks)))
            for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_make_exchange(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the branches -> maps of the same shapes."""
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        branches = range(len(features))
        return [
            F.relu(reduce(add, (self._send(features, source, target) for source in branches)))
            for target in branches
        ]

    def _send(self, features: Sequence[Tensor], source: int, target: int) -> Tensor:
        """Return one branch's features at the size and with the channels of another."""
        sent: Tensor = self.get_submodule(f"fuse_layers.{target}.{source}")(features[source])
        if source > target:
            # First enlarged by the ratio of the branches, then resized to the target: with odd
            # sizes two interpolations, as in the reference, which never aligns corners here.
            height, width = (edge * 2 ** (source - target) for edge in get_size(sent))
            for size_hw in ((height, width), get_size(features[target])):
                sent = resize(sent, size_hw, align_corners=False)
        return sent


def _make_exchange(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Return the layers between two branches, without the enlargement after them."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
        )
    halvings = [
        nn.Sequential(*convolve_3x3(widths[source], widths[source], stride=2))
        for _ in range(target - source - 1)
    ]
    # The last one has no ReLU.
    last = nn.Sequential(*convolve_3x3(widths[source], widths[target], stride=2)[:2])
    return nn.Sequential(*halvings, last)


class HRNet(nn.Module):
    """Images to the maps of four branches.

    Args:
        width: Channels of the finest branch; each coarser one has twice as many.
        modules: Number of modules in each of the four stages; the first stage has bottlenecks.
        blocks: Number of residual blocks on each branch of a module.

    Raises:
        OptionError: `modules` does not have four numbers.
    """

    def __init__(self, *, width: int, modules: Sequence[int], blocks: int) -> None:
        super().__init__()
        check_length("modules", modules, 4)
        self.out_channels = tuple(width * 2**branch for branch in range(4))
        self.conv1 = nn.Conv2d(3, _STEM_CHANNELS, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM_CHANNELS)
        self.conv2 = nn.Conv2d(_STEM_CHANNELS, _STEM_CHANNELS, 3, 2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(_STEM_CHANNELS)
        first = _STEM_CHANNELS * Bottleneck.expansion
        widths_in = [_STEM_CHANNELS] + [first] * (modules[0] * blocks - 1)
        self.layer1 = nn.Sequential(*(Bottleneck(n, _STEM_CHANNELS, 1, 1) for n in widths_in))
        before: tuple[int, ...] = (first,)
        for stage in range(2, 5):
            widths = self.out_channels[:stage]
            self.add_module(f"transition{stage - 1}", _make_transition(before, widths))
            stack = (HRModule(widths, blocks) for _ in range(modules[stage - 1]))
            self.add_module(f"stage{stage}", nn.Sequential(*stack))
            before = widths

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> four maps of (N, out_channels[i], H / 2^(i + 2), W / 2^(i + 2))."""
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        features: Sequence[Tensor] = [self.layer1(x)]
        for stage in range(2, 5):
            transition = self.get_submodule(f"transition{stage - 1}")
            assert isinstance(transition, nn.ModuleList)
            # The new branch starts from the coarsest one.
            sources = [*features, features[-1]]
            features = [layer(x) for layer, x in zip(transition, sources, strict=True)]
            features = self.get_submodule(f"stage{stage}")(features)
        return tuple(features)

    def fuse(self) -> None:
        """Fuse convolutions and norms, in place; see `Fusible`."""
        fuse_convolutions(self)


def _make_transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Return a layer for each branch after: it changes channels, starts the branch, or is empty."""
    layers: list[nn.Module] = []
    for branch, width in enumerate(after):
        if branch >= len(before):
            halving = nn.Sequential(*convolve_3x3(before[-1], width, stride=2))
            layers.append(nn.Sequential(halving))
        elif before[branch] != width:
            layers.append(nn.Sequential(*convolve_3x3(before[branch], width)))
        else:
            layers.append(nn.Identity())
    return nn.ModuleList(layers)

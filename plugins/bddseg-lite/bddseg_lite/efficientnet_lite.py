"""EfficientNet-Lite0, the part that is a segmentation network's backbone.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019
(arXiv 1905.11946). The Lite variants, which its authors published in 2020, leave out
squeeze-and-excitation and use ReLU6. Convolutions with a stride are padded alike on both sides, not
as in TensorFlow.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

STEM_CHANNELS = 32


class StageSpec(NamedTuple):
    """A row of the paper's table 1; only the first block of a stage has the stride."""

    kernel_size: int
    stride: int
    expansion: int
    channels: int
    num_blocks: int


STAGES = (
    StageSpec(3, 1, 1, 16, 1),
    StageSpec(3, 2, 6, 24, 2),
    StageSpec(5, 2, 6, 40, 2),
    StageSpec(3, 2, 6, 80, 3),
    StageSpec(5, 1, 6, 112, 3),
    StageSpec(5, 2, 6, 192, 4),
    StageSpec(3, 1, 6, 320, 1),
)
# The authors' batch norms.
_EPSILON = 0.001


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise one, a 1x1 one to fewer, and a shortcut.

    "MobileNetV2: Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381.
    """

    def __init__(self, in_channels: int, spec: StageSpec, *, stride: int) -> None:
        super().__init__()
        width, size = in_channels * spec.expansion, spec.kernel_size
        expand = _convolve(in_channels, width, 1) if spec.expansion > 1 else []
        self.convs = nn.Sequential(
            *expand,
            *_convolve(width, width, size, stride=stride, groups=width),
            *_convolve(width, spec.channels, 1)[:-1],
        )
        self.has_shortcut = stride == 1 and in_channels == spec.channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, spec.channels, h / stride, w / stride)."""
        out: Tensor = self.convs(x)
        return x + out if self.has_shortcut else out


class EfficientNetLite0(nn.Module):
    """The stem and the first stages.

    Args:
        num_blocks: Number of blocks of each stage, at most `StageSpec.num_blocks`: the first ones
            are kept.
    """

    def __init__(self, num_blocks: Sequence[int]) -> None:
        super().__init__()
        self._num_blocks = tuple(num_blocks)
        self.stem = nn.Sequential(*_convolve(3, STEM_CHANNELS, 3, stride=2))
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for spec, count in zip(STAGES, num_blocks, strict=False):
            blocks = nn.Sequential()
            for number in range(count):
                stride = 1 if number else spec.stride
                blocks.append(InvertedResidual(channels, spec, stride=stride))
                channels = spec.channels
            self.stages.append(blocks)

    def convert_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint of EfficientNet-Lite-PyTorch with this module's names.

        What this module does not have keeps its name. Source of the names:
        https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch.
        """
        prefixes = {"_conv_stem.": "stem.0.", "_bn0.": "stem.1."}
        number = 0
        for stage, spec in enumerate(STAGES):
            first = 0 if spec.expansion > 1 else _LAYERS["_depthwise_conv"]
            for block in range(spec.num_blocks):
                if stage < len(self._num_blocks) and block < self._num_blocks[stage]:
                    for layer, place in _LAYERS.items():
                        own = f"stages.{stage}.{block}.convs.{place - first}."
                        prefixes[f"_blocks.{number}.{layer}."] = own
                number += 1
        converted = {}
        for name, tensor in state.items():
            prefix, parameter = name[: name.rfind(".") + 1], name.rpartition(".")[2]
            converted[prefixes.get(prefix, prefix) + parameter] = tensor
        return converted

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> each stage's map: at 1/2, 1/4, 1/8, 1/16, 1/16, 1/32 of (H, W)."""
        x, maps = self.stem(images), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


# Layers of a block in the published checkpoints, by their place among `InvertedResidual.convs`.
_LAYERS = {
    "_expand_conv": 0,
    "_bn0": 1,
    "_depthwise_conv": 3,
    "_bn1": 4,
    "_project_conv": 6,
    "_bn2": 7,
}


def _convolve(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels, eps=_EPSILON),
        nn.ReLU6(inplace=True),
    ]

"""Layers that several networks share."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import reduce
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.winograd import WinogradConv2d


class ConvModule(nn.Module):
    """Convolution, batch normalisation, ReLU.

    Args:
        kernel_size: Odd.
        padding: Zeros around the input; by default, as many as keep the size.
        activation: Apply a ReLU at the end.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        dilation: int = 1,
        groups: int = 1,
        padding: int | None = None,
        activation: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=dilation * (kernel_size // 2) if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        return self._normalize(self.conv(x))

    def convolve(self, x: Tensor, channels: slice) -> Tensor:
        """Convolve some of the input's channels: sums of the results go to `activate`."""
        if isinstance(self.conv, WinogradConv2d):
            return self.conv.convolve(x, channels)
        conv = self.conv
        return F.conv2d(x, conv.weight[:, channels], None, 1, conv.padding, conv.dilation)

    def activate(self, x: Tensor) -> Tensor:
        """Apply what follows the products of inputs and weights: bias, normalisation, ReLU."""
        # The bias is that of a fused norm.
        return self._normalize(x if self.conv.bias is None else x + self.conv.bias[:, None, None])

    def _normalize(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(x)
        return F.relu(out, inplace=True) if self.activation else out


def bare_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 1x1 convolution alone, with the parameter names that it has in a ConvModule."""
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(in_channels, out_channels, 1)))


def convolve_3x3(in_channels: int, out_channels: int, *, stride: int = 1) -> list[nn.Module]:
    """Return a 3x3 convolution, its norm and a ReLU, as layers of a Sequential."""
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class GridPool(nn.Module):
    """Averages over a grid of cells, as `F.adaptive_avg_pool2d`.

    In an exported graph of one size they are products with two matrices: the exporter would gather
    the pixels of each cell, and OpenVINO takes long for that.

    Args:
        num_cells: Along each axis.
    """

    def __init__(self, num_cells: int) -> None:
        super().__init__()
        self.num_cells = num_cells

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, num_cells, num_cells)."""
        is_static = all(type(edge) is int for edge in get_size(x))
        if not (torch.compiler.is_exporting() and is_static):
            return F.adaptive_avg_pool2d(x, self.num_cells)
        rows, columns = (
            F.adaptive_avg_pool1d(torch.eye(edge)[None], self.num_cells)[0].to(x)
            for edge in get_size(x)
        )
        return rows.T @ (x @ columns)


def fuse_maps(
    maps: Sequence[Tensor], conv: ConvModule, size_hw: tuple[int, int], *, align_corners: bool
) -> Tensor:
    """Return `conv` of maps that are enlarged to one size and concatenated.

    The convolution of concatenated maps is the sum of their convolutions, and the convolution of an
    enlarged map can be computed without enlarging it (`convolve_enlarged`).

    Args:
        maps: Maps of (N, C_i, h_i, w_i).
        conv: A 3x3 convolution of the sum of C_i channels to O channels.
        size_hw: (H, W), the size to which all maps are enlarged.
        align_corners: As in `torch.nn.functional.interpolate`.

    Returns:
        (N, O, H, W).
    """
    edges = list(accumulate((x.shape[1] for x in maps), initial=0))
    # Neighbors of the full size are convolved together. torch.compile cannot trace `groupby`.
    runs: list[range] = []
    smaller = []
    for number, x in enumerate(maps):
        if get_size(x) != size_hw:
            smaller.append((x, conv.conv.weight[:, edges[number] : edges[number + 1]]))
        elif runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    parts = []
    for run in runs:
        full = [maps[number] for number in run]
        channels = slice(edges[run.start], edges[run.stop])
        parts.append(conv.convolve(full[0] if len(full) == 1 else torch.cat(full, 1), channels))
    if smaller:
        parts.append(convolve_enlarged(smaller, size_hw, align_corners=align_corners))
    return conv.activate(reduce(torch.add, parts))


def convolve_enlarged(
    pairs: Sequence[tuple[Tensor, Tensor]], size_hw: tuple[int, int], *, align_corners: bool
) -> Tensor:
    """Return the sum of `conv2d(resize(x, size_hw), weight, padding=1)` without enlarging maps.

    Interpolation and convolution are both linear and separable: the result is R T C', where T holds
    the product of each of the nine taps with each position of x, and R and C interpolate it along
    rows and columns. The smaller the maps, the less it costs.

    Args:
        pairs: Maps (N, C_i, h_i, w_i), and weights (O, C_i, 3, 3).
        size_hw: (H, W) of the result.
        align_corners: As in `torch.nn.functional.interpolate`.

    Returns:
        (N, O, H, W).
    """
    all_rows, all_taps = [], []
    for x, weight in pairs:
        rows, columns = (
            _spread(before, after, x, align_corners=align_corners)
            for before, after in zip(get_size(x), size_hw, strict=True)
        )
        taps = torch.einsum("ncuv,ocij->niujvo", x, weight).flatten(3, 4).flatten(1, 2)
        all_rows.append(rows)
        all_taps.append(columns @ taps)
    # The sum over maps is a part of that over rows.
    enlarged = torch.cat(all_rows, dim=1) @ torch.cat(all_taps, dim=1).flatten(2)
    return enlarged.view(len(enlarged), *size_hw, -1).permute(0, 3, 1, 2)


def _spread(before: int, after: int, like: Tensor, *, align_corners: bool) -> Tensor:
    """Return (after, 3 * before): the interpolation matrix of one axis, shifted for each tap.

    It is computed on the device: a copy from the host would wait for the device.
    """
    basis = torch.eye(before, dtype=widen(like).dtype, device=like.device)[None]
    enlarged = F.interpolate(basis, after, mode="linear", align_corners=align_corners)[0].T
    padded = F.pad(enlarged, (0, 0, 1, 1))
    return torch.cat([padded[tap : tap + after] for tap in range(3)], dim=1).to(like)


def widen(x: Tensor) -> Tensor:
    """Return numbers of half precision as float32, and others as they are.

    Sums over many channels or positions exceed half precision, and a softmax of infinity is NaN.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def convolve_wide(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Return a 1x1 convolution in float32, also of a network in half precision."""
    bias = None if conv.bias is None else widen(conv.bias)
    return F.conv2d(widen(x), widen(conv.weight), bias)


def get_size(x: Tensor) -> tuple[int, int]:
    """Return (h, w) of (N, C, h, w)."""
    return x.shape[2], x.shape[3]


def resize(x: Tensor, size_hw: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Return (N, C, *size_hw), interpolated bilinearly from (N, C, h, w)."""
    if get_size(x) == tuple(size_hw):
        return x
    return F.interpolate(x, size_hw, mode="bilinear", align_corners=align_corners)

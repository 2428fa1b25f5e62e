"""3x3 convolutions with a quarter of the multiplications, for wide layers on CPUs.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016 (arXiv 1509.09308),
F(4x4, 3x3): 36 products instead of 144 for each tile of 4x4 results.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bddseg.models.cpu_conv import CPUConv2d, is_3x3_same

# Positions of a tile's results, and of the inputs that they depend on, along each axis.
_OUT, _IN = 4, 6
# Points at which polynomials are evaluated, besides 0 and infinity. Rounding errors are a quarter
# of those of the paper's points, +-1 and +-2.
_POINTS = (0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))
# Layers with fewer channels gain nothing: transforming their maps takes longer than it saves.
_MIN_CHANNELS = 192
# The same for tiles that reach far beyond the map: products, as a share of those of the definition.
_MAX_SHARE = 0.5
# Numbers transformed at a time: 12 MB stay in a CPU's cache, and need no new memory each time.
_CHUNK = 3 * 2**20
_MIN_CHUNK_CHANNELS = 16
# In a graph, each chunk adds operations.
_EXPORTED_CHUNK_CHANNELS = 512

_EXPORTS_WINOGRAD = ContextVar("graphs have Winograd's products", default=False)


@contextmanager
def export_winograd() -> Iterator[None]:
    """Let exported graphs compute these convolutions as `WinogradConv2d` does.

    It is for float32 on CPUs, and for one size of images.
    """
    token = _EXPORTS_WINOGRAD.set(True)
    try:
        yield
    finally:
        _EXPORTS_WINOGRAD.reset(token)


def _is_exporting_winograd() -> bool:
    return torch.compiler.is_exporting() and _EXPORTS_WINOGRAD.get()


class WinogradConv2d(CPUConv2d):
    """A 3x3 convolution of stride 1 that keeps the size, multiplied as in the paper.

    Exported graphs have it within `export_winograd` only.
    """

    _transformed: Tensor | None = None

    @staticmethod
    def is_suitable(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
        """Return whether a module is a convolution that this class can compute faster."""
        return (
            is_3x3_same(conv)
            and conv.groups == 1
            and min(conv.in_channels, conv.out_channels) >= _MIN_CHANNELS
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, O, h, w)."""
        if not self._is_faster(x):
            return super().forward(x)
        return convolve_tiles(x, self._transform(), self.bias, self.dilation[0])

    def convolve(self, x: Tensor, channels: slice) -> Tensor:
        """Return the convolution of some of the input's channels, without the bias.

        Args:
            x: (N, C, h, w), these channels alone.
            channels: Which of the convolution's channels they are.

        Returns:
            (N, O, h, w).
        """
        if not self._is_faster(x):
            weight = self.weight[:, channels]
            return F.conv2d(x, weight, None, 1, self.padding, self.dilation)
        return convolve_tiles(x, self._transform()[:, channels], None, self.dilation[0])

    def _transform(self) -> Tensor:
        if torch.compiler.is_exporting():
            # The graph keeps the smaller weights; runtimes transform them once.
            return transform_weight(self.weight)
        if self._transformed is None:
            self._transformed = transform_weight(self.weight)
        return self._transformed

    def _is_faster(self, x: Tensor) -> bool:
        (height, width), dilation = x.shape[2:], self.dilation[0]
        rows, columns = (-(-edge // (_OUT * dilation)) for edge in (height, width))
        products = (_IN * dilation) ** 2 * rows * columns
        is_faster = _is_exporting_winograd() or super()._is_faster(x)
        return is_faster and products < _MAX_SHARE * 9 * height * width


def transform_weight(weight: Tensor) -> Tensor:
    """(O, C, 3, 3) -> (36, C, O)."""
    out_channels, channels = weight.shape[:2]
    taps = weight.detach().permute(2, 3, 1, 0).reshape(9, -1)
    return (_TRANSFORMS.kernel @ taps).view(_IN**2, channels, out_channels)


def convolve_tiles(x: Tensor, transformed: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Return the 3x3 convolution of a map, with its channels last in memory.

    A dilated convolution is an ordinary one of every `dilation`-th row and column.

    Args:
        x: (N, C, h, w).
        transformed: Weights, as `transform_weight` returns them, (36, C, O).
        bias: (O,), added to the result.
        dilation: Distance of the kernel's taps.

    Returns:
        (N, O, h, w).
    """
    n, channels, height, width = x.shape
    inputs, results = _index_tiles(n, height, width, dilation)
    chunk = _EXPORTED_CHUNK_CHANNELS
    if not torch.compiler.is_exporting():
        chunk = max(_CHUNK // len(inputs), _MIN_CHUNK_CHANNELS)
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    products = x.new_zeros(())
    for start in range(0, channels, chunk):
        part = slice(start, min(start + chunk, channels))
        # The last row is that of pixels around the map.
        tiles = F.pad(pixels[:, part], (0, 0, 0, 1)).index_select(0, inputs)
        tiles = _TRANSFORMS.tile @ tiles.view(_IN**2, -1)
        tiles, weights = tiles.view(_IN**2, -1, part.stop - start), transformed[:, part]
        products = products.baddbmm_(tiles, weights) if start else torch.bmm(tiles, weights)
    pixels = (_TRANSFORMS.result @ products.view(_IN**2, -1)).view(-1, transformed.shape[2])
    pixels = pixels.index_select(0, results)
    if bias is not None:
        pixels += bias
    return pixels.view(n, height, width, -1).permute(0, 3, 1, 2)


# torch.compile cannot trace NumPy's strides.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _index_tiles(n: int, height: int, width: int, dilation: int) -> tuple[Tensor, Tensor]:
    """Return where tiles have their inputs, and pixels their results.

    Returns:
        The number of the pixel at each position of each tile, (36 * tiles,), or n * height * width
        around the maps; and for each pixel the number of its result in (16 * tiles,).
    """
    step = _OUT * dilation
    rows, columns = -(-height // step), -(-width // step)
    # NumPy, so that the numbers are constants of an exported graph.
    pixels = np.arange(n * height * width).reshape(n, height, width)
    bottom, right = rows * step + dilation - height, columns * step + dilation - width
    margins = ((0, 0), (dilation, bottom), (dilation, right))
    padded = np.pad(pixels, margins, constant_values=pixels.size)
    image, row, column = padded.strides
    taps = (dilation * row, dilation * column)
    tiles = (n, rows, dilation, columns, dilation)
    inputs = np.lib.stride_tricks.as_strided(
        padded, (_IN, _IN, *tiles), (*taps, image, step * row, row, step * column, column)
    )
    results = np.arange(_OUT**2 * math.prod(tiles)).reshape(_OUT, _OUT, *tiles)
    results = results.transpose(2, 3, 0, 4, 5, 1, 6).reshape(n, rows * step, columns * step)
    return torch.tensor(inputs.ravel()), torch.tensor(results[:, :height, :width].ravel())


class _Transforms(NamedTuple):
    """Matrices that transform both axes of flattened tiles.

    Attributes:
        tile: Of the input, (36, 36).
        kernel: Of the weights, (36, 9).
        result: From products to results, (16, 36).
    """

    tile: Tensor
    kernel: Tensor
    result: Tensor


def _make_transforms() -> _Transforms:
    # A result is a product of polynomials: its values at the points are multiplied. The last
    # "value", at infinity, is the leading coefficient.
    points = torch.tensor((0, *_POINTS), dtype=torch.float64)

    def evaluate(coefficients: int) -> Tensor:
        finite = points[:, None] ** torch.arange(coefficients)
        return torch.cat([finite, torch.eye(coefficients, dtype=torch.float64)[-1:]])

    # By transposition, interpolation of the product becomes the transform of the input.
    axis = torch.linalg.inv(evaluate(_IN)).T, evaluate(3), evaluate(_OUT).T
    return _Transforms(*(torch.kron(each, each).float() for each in axis))


_TRANSFORMS = _make_transforms()

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bddseg.models.heads.psa import expand_masks
from bddseg.models.layers import GridPool, convolve_enlarged


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (6, 6), (3, 5)])
def test_an_enlarged_grid_is_convolved_without_enlarging_it(
    grid: tuple[int, int], align_corners: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, *grid, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, 4, 3, 3, generator=generator, dtype=torch.float64)
    enlarged = F.interpolate(x, (13, 21), mode="bilinear", align_corners=align_corners)
    expected = F.conv2d(enlarged, weight, padding=1)
    result = convolve_enlarged([(x, weight)], (13, 21), align_corners=align_corners)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def expand_one_by_one(x: Tensor, weight: Tensor, mask_hw: tuple[int, int]) -> Tensor:
    """Return the definition: for each two positions, the mask's entry at their offset."""
    n, _, height, width = x.shape
    mask = torch.einsum("oc,nchw->nohw", weight.flatten(1), x).reshape(n, *mask_hw, height, width)
    expanded = x.new_zeros(n, height, width, height, width)
    for h in range(height):
        for w in range(width):
            for i in range(height):
                for j in range(width):
                    row, column = i - h + mask_hw[0] // 2, j - w + mask_hw[1] // 2
                    if 0 <= row < mask_hw[0] and 0 <= column < mask_hw[1]:
                        expanded[:, h, w, i, j] = mask[:, row, column, h, w]
    return expanded.reshape(n, height * width, height * width)


@pytest.mark.parametrize("mask_hw", [(3, 3), (7, 5), (15, 17), (5, 31)])
@pytest.mark.parametrize("size_hw", [(4, 6), (7, 5), (1, 3)])
def test_masks_smaller_and_larger_than_the_map_are_expanded_by_offset(
    mask_hw: tuple[int, int], size_hw: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size_hw, generator=generator)
    weight = torch.randn(mask_hw[0] * mask_hw[1], 3, 1, 1, generator=generator)
    expected = expand_one_by_one(x, weight, mask_hw)
    torch.testing.assert_close(expand_masks(x, weight, mask_hw), expected)


def test_an_exported_grid_is_two_products() -> None:
    x = torch.randn(1, 4, 45, 80)
    program = torch.export.export(GridPool(6), (x,))
    torch.testing.assert_close(program.module()(x), F.adaptive_avg_pool2d(x, 6))
    assert "aten.matmul" in str(program.graph)
    assert "adaptive_avg_pool2d" not in str(program.graph)

import pytest
import torch
from torch import nn

from bddseg.models.cpu_conv import DilatedDepthwiseConv2d
from bddseg.models.network import fuse_convolutions


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(("dilation", "size_hw"), [(2, (8, 12)), (3, (13, 22)), (12, (7, 30))])
def test_dilated_depthwise_results_are_those_of_the_convolution(
    dilation: int, size_hw: tuple[int, int], has_bias: bool
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 5, 3, padding=dilation, dilation=dilation, groups=5, bias=has_bias)
    network = nn.Sequential(conv)
    images = torch.randn(2, 5, *size_hw)
    with torch.inference_mode():
        expected = conv(images)
        fuse_convolutions(network)
        assert isinstance(network[0], DilatedDepthwiseConv2d)
        torch.testing.assert_close(network(images), expected)


def test_only_dilated_depthwise_convolutions_are_replaced() -> None:
    others = [
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3),
        nn.Conv2d(6, 12, 3, padding=2, dilation=2, groups=6),
        nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6, stride=2),
        nn.Conv2d(6, 6, 3, dilation=2, groups=6),
    ]
    network = nn.Sequential(*others)
    fuse_convolutions(network)
    assert not any(isinstance(each, DilatedDepthwiseConv2d) for each in network)

import pytest
import torch
from torch import Tensor, nn

from bddseg.models import winograd
from bddseg.models.network import fuse_convolutions
from bddseg.models.winograd import WinogradConv2d, export_winograd


def make_conv(dilation: int = 1, *, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(192, 200, 3, padding=dilation, dilation=dilation, bias=bias)


def make_images(height: int, width: int, channels: int = 192) -> Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(1))


def compute_error(result: Tensor, expected: Tensor) -> float:
    return float((result - expected).abs().max() / expected.std())


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(
    ("dilation", "size_hw"),
    [(1, (8, 12)), (1, (13, 22)), (2, (16, 25)), (3, (23, 12)), (12, (48, 90))],
)
def test_results_are_those_of_the_convolution(
    dilation: int, size_hw: tuple[int, int], has_bias: bool
) -> None:
    conv, images = make_conv(dilation, bias=has_bias), make_images(*size_hw)
    fast = WinogradConv2d(conv)
    with torch.inference_mode():
        result = fast(images)
        expected = conv.double()(images.double())
    assert fast._transformed is not None
    assert compute_error(result, expected) < 2e-5


def test_results_for_a_part_of_the_channels_add_up() -> None:
    conv, images = make_conv(), make_images(12, 20)
    fast = WinogradConv2d(conv)
    with torch.inference_mode():
        parts = [fast.convolve(images[:, part], part) for part in (slice(0, 50), slice(50, None))]
        expected = nn.functional.conv2d(images, conv.weight, padding=1)
    assert compute_error(parts[0] + parts[1], expected) < 2e-5


@pytest.mark.parametrize("dilation", [1, 24])
def test_a_map_that_tiles_do_not_fit_is_convolved_as_usual(dilation: int) -> None:
    conv = make_conv(dilation)
    images = make_images(2, 2)
    fast = WinogradConv2d(conv)
    with torch.inference_mode():
        assert torch.equal(fast(images), conv(images))
    assert fast._transformed is None


def test_half_precision_is_convolved_as_usual() -> None:
    conv, images = make_conv(), make_images(8, 8)
    fast = WinogradConv2d(conv)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert fast(images).dtype is torch.bfloat16
    with torch.inference_mode():
        assert fast.bfloat16()(images.bfloat16()).dtype is torch.bfloat16
    assert fast._transformed is None


def test_an_exported_network_has_the_convolution() -> None:
    network = nn.Sequential(WinogradConv2d(make_conv()))
    program = torch.export.export(network, (make_images(8, 8),))
    calls = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert calls == ["aten.conv2d.default"]


@pytest.mark.parametrize(("dilation", "size_hw"), [(1, (13, 22)), (2, (24, 25))])
def test_a_graph_can_have_its_matrix_products(
    dilation: int, size_hw: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several chunks, the last one smaller.
    monkeypatch.setattr(winograd, "_EXPORTED_CHUNK_CHANNELS", 80)
    conv, images = make_conv(dilation), make_images(*size_hw)
    with export_winograd():
        program = torch.export.export(nn.Sequential(WinogradConv2d(conv)), (images,))
    calls = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert not any("conv" in call for call in calls)
    with torch.inference_mode():
        assert compute_error(program.module()(images), conv(images)) < 2e-5


def test_only_wide_ordinary_3x3_convolutions_are_replaced() -> None:
    suitable = nn.Conv2d(192, 192, 3, padding=2, dilation=2)
    others = [
        nn.Conv2d(192, 192, 1),
        nn.Conv2d(192, 192, 3),
        nn.Conv2d(192, 192, 3, stride=2, padding=1),
        nn.Conv2d(192, 192, 3, padding=1, groups=192),
        nn.Conv2d(192, 192, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(192, 64, 3, padding=1),
    ]
    network = nn.Sequential(suitable, *others)
    fuse_convolutions(network)
    assert [isinstance(each, WinogradConv2d) for each in network] == [True] + [False] * len(others)

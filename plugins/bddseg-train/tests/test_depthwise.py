"""Gradients of depthwise convolutions equal torch's, and layers of other kinds stay as they are."""

import pytest
import torch
from bddseg_train.depthwise import speed_up_depthwise
from torch import nn

CHANNELS = 4
SLOW = [(3, 2, 1), (5, 1, 2), (5, 2, 2), (5, 2, 0)]
OTHERS = [
    {"kernel_size": 3, "padding": 1, "groups": CHANNELS},
    {"kernel_size": 7, "groups": CHANNELS},
    {"kernel_size": 5, "groups": 2},
    {"kernel_size": 5, "groups": CHANNELS, "dilation": 2},
    {"kernel_size": 5, "groups": CHANNELS, "stride": 3},
    {"kernel_size": 5, "groups": CHANNELS, "padding": 2, "padding_mode": "circular"},
]


def make(**options: object) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(CHANNELS, CHANNELS, **options).double()  # type: ignore[arg-type]


@pytest.mark.parametrize("size_hw", [(8, 12), (9, 13)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel_size", "stride", "padding"), SLOW)
def test_gradients_equal_torchs(
    kernel_size: int, stride: int, padding: int, bias: bool, size_hw: tuple[int, int]
) -> None:
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "bias": bias}
    plain, fast = make(groups=CHANNELS, **options), make(groups=CHANNELS, **options)
    speed_up_depthwise(fast)
    assert "forward" in vars(fast)
    x = torch.randn(2, CHANNELS, *size_hw, dtype=torch.float64)
    found = []
    for conv in (plain, fast):
        leaf = x.clone().requires_grad_()
        out = conv(leaf)
        out.backward(torch.sin(torch.arange(out.numel(), dtype=out.dtype)).view_as(out))
        found.append([out, leaf.grad, *(each.grad for each in conv.parameters())])
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", OTHERS)
def test_other_layers_stay_as_they_are(options: dict[str, object]) -> None:
    conv = make(**options)
    speed_up_depthwise(conv)
    assert "forward" not in vars(conv)


def test_under_autocast_a_gradient_is_in_float32_and_as_exact_as_bfloat16() -> None:
    options = {"kernel_size": 5, "stride": 2, "padding": 2, "groups": CHANNELS}
    exact, fast = make(**options), make(**options).float()
    speed_up_depthwise(fast)
    x = torch.randn(2, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        out = fast(x)
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    exact(x.double()).square().sum().backward()
    assert exact.weight.grad is not None and fast.weight.grad is not None
    assert fast.weight.grad.dtype == torch.float32
    largest = float(exact.weight.grad.abs().max())
    torch.testing.assert_close(
        fast.weight.grad, exact.weight.grad.float(), rtol=0.0, atol=0.02 * largest
    )


def test_a_frozen_layer_gets_no_gradient() -> None:
    conv = make(kernel_size=5, stride=2, padding=2, groups=CHANNELS)
    speed_up_depthwise(conv)
    conv.requires_grad_(requires_grad=False)
    x = torch.randn(1, CHANNELS, 8, 8, dtype=torch.float64, requires_grad=True)
    conv(x).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None

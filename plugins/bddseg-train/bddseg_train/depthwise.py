"""Gradients of depthwise convolutions on a CPU, computed with kernels that are fast there.

oneDNN (3.x, as torch 2.13 has it) computes two of these gradients three to forty times more slowly
than the convolution itself: that of the input of a convolution with stride 2, and that of a 5x5
weight. The first is a convolution of the output's gradient, spread over a grid of zeros, with the
flipped weight; the second consists of four overlapping 3x3 gradients.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def speed_up_depthwise(network: nn.Module) -> None:
    """Let a network's depthwise convolutions compute their gradients with this module, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and _is_slow(module):
            module.forward = partial(_convolve, module)  # type: ignore[method-assign]


def _is_slow(conv: nn.Conv2d) -> bool:
    """Return whether the layer is a depthwise convolution of a kind that is slow in oneDNN."""
    return (
        conv.groups == conv.in_channels == conv.out_channels > 1
        and (conv.kernel_size, conv.stride)
        in {((3, 3), (2, 2)), ((5, 5), (1, 1)), ((5, 5), (2, 2))}
        and conv.padding in {(0, 0), (1, 1), (2, 2)}
        and conv.padding_mode == "zeros"
        and conv.dilation == (1, 1)
    )


def _convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    weight, bias = conv.weight, conv.bias
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight = x.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    arguments = (x, weight, conv.stride[0], conv.padding[0])
    out: Tensor = _Depthwise.apply(*arguments)  # type: ignore[no-untyped-call]
    return out if bias is None else out + bias[:, None, None]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = _differentiate_input(grad, x, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            of_weight = _differentiate_weight(grad, x, weight, ctx.stride, ctx.padding)
        return of_x, of_weight, None, None


def _differentiate_input(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int
) -> Tensor:
    size = weight.shape[-1]
    if stride > 1:
        height, width = (edge + 2 * padding - size + 1 for edge in x.shape[2:])
        spread = torch.empty(
            (*x.shape[:2], height, width),
            dtype=grad.dtype,
            device=grad.device,
            memory_format=torch.channels_last,
        ).zero_()
        spread[:, :, ::stride, ::stride] = grad
        grad = spread
    return F.conv2d(grad, weight.flip(2, 3), padding=size - 1 - padding, groups=len(weight))


def _differentiate_weight(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int
) -> Tensor:
    if weight.shape[-1] == 3:
        return _differentiate_3x3(grad, x, weight, stride, padding)
    padded = F.pad(x, [padding] * 4)
    rows, columns = (stride * (edge - 1) + 3 for edge in grad.shape[2:])
    out = torch.empty_like(weight)
    for row in (0, 2):
        for column in (0, 2):
            part = weight[:, :, row : row + 3, column : column + 3].contiguous()
            shifted = padded[:, :, row : row + rows, column : column + columns]
            shifted = shifted.contiguous(memory_format=torch.channels_last)
            found = _differentiate_3x3(grad, shifted, part, stride, padding=0)
            out[:, :, row : row + 3, column : column + 3] = found
    return out


def _differentiate_3x3(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int
) -> Tensor:
    # Of the gradients of input, weight and bias, the weight's alone.
    mask = (False, True, False)
    strides, paddings, dilations = (stride, stride), (padding, padding), (1, 1)
    backward = torch.ops.aten.convolution_backward
    out: Tensor
    _, out, _ = backward(
        grad, x, weight, None, strides, paddings, dilations, False, (0, 0), len(weight), mask
    )
    return out

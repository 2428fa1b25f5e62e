"""Logits of whole images and of crops, against the reference's loop written out."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest
import torch
from torch import Tensor, nn

from bddseg.inference.runtimes.runtime import Runtime
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.inference.sliding_window import compute_logits
from bddseg.specs import Entry, Precision, SlidingWindow

WINDOW = SlidingWindow(crop_hw=(32, 32), stride_hw=(20, 20))


class Echo(Runtime):
    """A runtime whose logits are its input at half the size, and which counts its calls."""

    device = torch.device("cpu")
    align_corners = False

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        self.sizes.append(tuple(images.shape[-2:]))
        return {"drivable": nn.functional.avg_pool2d(images, 2)}

    @classmethod
    def list_devices(cls) -> list[str]:
        return ["cpu"]

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        raise NotImplementedError

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:
        raise NotImplementedError

    def is_out_of_memory(self, error: BaseException) -> bool:
        raise NotImplementedError


def slide_as_the_reference(images: Tensor, crop: int, stride: int) -> Tensor:
    """Return the average of the crops' logits, with the reference's loop."""
    height, width = images.shape[2:]
    total, count = torch.zeros_like(images), torch.zeros(1, 1, height, width)
    rows = max(height - crop + stride - 1, 0) // stride + 1
    columns = max(width - crop + stride - 1, 0) // stride + 1
    for row in range(rows):
        for column in range(columns):
            y2, x2 = min(row * stride + crop, height), min(column * stride + crop, width)
            y1, x1 = max(y2 - crop, 0), max(x2 - crop, 0)
            part = images[:, :, y1:y2, x1:x2]
            logits = nn.functional.interpolate(
                Echo().infer(part)["drivable"], part.shape[2:], mode="bilinear"
            )
            total[:, :, y1:y2, x1:x2] += logits
            count[:, :, y1:y2, x1:x2] += 1
    return total / count


@pytest.mark.parametrize("size_hw", [(48, 80), (33, 71), (20, 20), (16, 100)])
def test_crops_are_averaged_as_in_the_reference(size_hw: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size_hw, generator=torch.Generator().manual_seed(0))
    logits = compute_logits(Echo(), images, WINDOW)["drivable"]
    torch.testing.assert_close(logits, slide_as_the_reference(images, 32, 20))


def test_the_last_crop_ends_at_the_border() -> None:
    runtime = Echo()
    compute_logits(runtime, torch.zeros(1, 3, 32, 60), WINDOW)
    assert runtime.sizes == [(32, 32)] * 3


def test_without_a_window_the_network_runs_once_and_logits_have_the_size_of_the_input() -> None:
    runtime = Echo()
    assert compute_logits(runtime, torch.zeros(1, 3, 31, 47))["drivable"].shape == (1, 3, 31, 47)
    assert runtime.sizes == [(31, 47)]


class TwoHeads(nn.Module):
    """A network with an output for each of two tasks."""

    align_corners = False

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"drivable": images, "drivable_binary": images[:, :2]}


def test_every_output_of_a_network_is_averaged() -> None:
    runtime = TorchRuntime(TwoHeads(), "drivable", torch.device("cpu"))
    logits = compute_logits(runtime, torch.randn(1, 3, 40, 60), WINDOW)
    assert {task: tuple(each.shape) for task, each in logits.items()} == {
        "drivable": (1, 3, 40, 60),
        "drivable_binary": (1, 2, 40, 60),
    }

"""From network to label maps: whole images or sliding crops, upsampling, argmax."""

from collections.abc import Iterator
from typing import Literal, cast

import torch
from torch import Tensor, nn

from bddseg.models.architectures import Network
from bddseg.models.layers import get_size, resize

SizeHW = tuple[int, int]

# Up to here, comparing maps beats argmax on a CPU (tests/benchmarks/bench_pick_classes.py).
_FEW_CLASSES = 8


class Segmenter(nn.Module):
    """A network with its test mode.

    Args:
        network: images to logits of any size.
        mode: "whole" runs the network once; "slide" on overlapping crops, whose logits are
            averaged where they overlap. The last crop of a row or column is shifted back to end at
            the border, and an image smaller than a crop is one crop.
        crop_hw: size of a crop in pixels, for "slide".
        stride_hw: step from crop to crop in pixels, for "slide".
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mode: Literal["whole", "slide"] = "whole",
        crop_hw: SizeHW | None = None,
        stride_hw: SizeHW | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.mode = mode
        self.crop_hw = crop_hw
        self.stride_hw = stride_hw

    @property
    def align_corners(self) -> bool:
        """How logits are interpolated."""
        return cast(Network, self.network).align_corners

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), float, normalised -> logits (N, K, H, W)."""
        return self._slide(images) if self.mode == "slide" else self._run(images)

    def label(self, images: Tensor, size_hw: SizeHW) -> Tensor:
        """Return labels (N, *size_hw), uint8, of images (N, 3, H, W).

        As in the reference, logits are interpolated twice: to the image's size, then to `size_hw`.
        """
        return pick_classes(self._fit(images, size_hw))

    def rate(self, images: Tensor, size_hw: SizeHW) -> Tensor:
        """Return the classes' probabilities (N, K, *size_hw) in images (N, 3, H, W)."""
        return self._fit(images, size_hw).softmax(dim=1)

    def _fit(self, images: Tensor, size_hw: SizeHW) -> Tensor:
        # In float32 whatever the network ran in: half precision has too few steps for argmax.
        return resize(self(images).float(), size_hw, align_corners=self.align_corners)

    def _run(self, images: Tensor) -> Tensor:
        return resize(self.network(images), get_size(images), align_corners=self.align_corners)

    def _slide(self, images: Tensor) -> Tensor:
        assert self.crop_hw is not None and self.stride_hw is not None
        height, width = images.shape[2:]
        total: Tensor | None = None
        count = images.new_zeros((1, 1, height, width))
        for rows in _windows(height, self.crop_hw[0], self.stride_hw[0]):
            for columns in _windows(width, self.crop_hw[1], self.stride_hw[1]):
                logits = self._run(images[:, :, rows, columns])
                if total is None:
                    total = logits.new_zeros((*logits.shape[:2], height, width))
                total[:, :, rows, columns] += logits
                count[:, :, rows, columns] += 1
        assert total is not None
        return total / count


def pick_classes(scores: Tensor) -> Tensor:
    """Return labels (N, H, W), uint8: the class of the highest score in (N, K, H, W).

    The first of equals wins, as with `argmax`, which is 20 times slower on a CPU: it walks across
    the classes of one pixel after the other, where this compares whole maps.
    """
    if scores.is_cuda or scores.shape[1] > _FEW_CLASSES:
        return scores.argmax(dim=1).to(torch.uint8)
    best = scores[:, 0]
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for number in range(1, scores.shape[1]):
        labels.masked_fill_(scores[:, number] > best, number)
        best = torch.maximum(best, scores[:, number])
    return labels


def _windows(length: int, crop: int, stride: int) -> Iterator[slice]:
    """Yield the crops along one axis: the last one ends at the border."""
    steps = max(length - crop + stride - 1, 0) // stride + 1
    for step in range(steps):
        end = min(step * stride + crop, length)
        yield slice(max(end - crop, 0), end)

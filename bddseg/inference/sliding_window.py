"""Logits at the size of the network's input: of the whole image, or of crops that slide over it."""

from collections.abc import Iterator, Mapping
from itertools import product

from torch import Tensor

from bddseg.inference.runtimes.runtime import Runtime
from bddseg.models.layers import get_size, resize
from bddseg.specs import SlidingWindow
from bddseg.types import SizeHW


def compute_logits(
    runtime: Runtime, images: Tensor, window: SlidingWindow | None = None
) -> dict[str, Tensor]:
    """Return the logits of each task, (N, K, H, W), for images (N, 3, H, W), normalised.

    With a window, the network runs on overlapping crops, whose logits are averaged where they
    overlap. The last crop of a row or column is shifted back so that it ends at the border, and an
    image smaller than a crop is one crop.
    """
    if window is None:
        return _infer_resized(runtime, images)
    height, width = get_size(images)
    totals: dict[str, Tensor] = {}
    count = images.new_zeros((1, 1, height, width))
    for rows, columns in list_crops((height, width), window):
        for task, logits in _infer_resized(runtime, images[:, :, rows, columns]).items():
            if task not in totals:
                totals[task] = logits.new_zeros((*logits.shape[:2], height, width))
            totals[task][:, :, rows, columns] += logits
        count[:, :, rows, columns] += 1
    return {task: total / count for task, total in totals.items()}


def list_crops(size_hw: SizeHW, window: SlidingWindow) -> list[tuple[slice, slice]]:
    """Return the rows and columns of each crop of an image; all crops have one size."""
    rows, columns = (
        list(_list_crops(*each))
        for each in zip(size_hw, window.crop_hw, window.stride_hw, strict=True)
    )
    return list(product(rows, columns))


def _infer_resized(runtime: Runtime, images: Tensor) -> dict[str, Tensor]:
    outputs: Mapping[str, Tensor] = runtime.infer(images)
    return {
        # In float32 whatever the network ran in: half precision has too few steps for argmax.
        task: resize(logits.float(), get_size(images), align_corners=runtime.align_corners)
        for task, logits in outputs.items()
    }


def _list_crops(length: int, crop: int, stride: int) -> Iterator[slice]:
    """Yield the crops along one axis: the last one ends at the border."""
    steps = max(length - crop + stride - 1, 0) // stride + 1
    for step in range(steps):
        end = min(step * stride + crop, length)
        yield slice(max(end - crop, 0), end)

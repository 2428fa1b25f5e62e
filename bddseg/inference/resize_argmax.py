"""Class ids of logits that are resized, without resizing what needs not be."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bddseg.inference.postprocess import argmax
from bddseg.models.layers import get_size, resize
from bddseg.types import LabelMap, SizeHW

# Set in the class id of a logit whose neighbors to the right or below have another class.
_IS_BORDER = 128
# With more border pixels, as of random weights, it is faster to interpolate all.
_MAX_BORDER_SHARE = 0.2


class _Axis(NamedTuple):
    """Where the pixels along an axis lie between logits, as in `torch.nn.functional.interpolate`.

    Attributes:
        before: Index of the logit before each pixel, int64.
        after: Index of the one after it; the same at the end.
        weight: Weight of the one after it, float32, 0 to 1.
    """

    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]


def resize_argmax(logits: Tensor, size_hw: SizeHW, *, align_corners: bool) -> Tensor:
    """Return the class ids of logits after they are resized bilinearly.

    On a CPU only pixels at borders between classes are interpolated. Between four logits with the
    same highest class, that class is the highest everywhere, for the same weights apply to all.

    Args:
        logits: (N, K, h, w), finite, K up to 128.
        size_hw: Height H and width W of the result, in pixels.
        align_corners: As in `torch.nn.functional.interpolate`.

    Returns:
        Class ids (N, H, W), uint8, on the device of the logits.
    """
    if logits.device.type != "cpu" or get_size(logits) == tuple(size_hw):
        return argmax(resize(logits, size_hw, align_corners=align_corners))
    labels = [
        _resize_argmax(image, classes, size_hw, align_corners=align_corners)
        for image, classes in zip(logits, argmax(logits).numpy(), strict=True)
    ]
    return torch.from_numpy(labels[0][None] if len(labels) == 1 else np.stack(labels))


def _resize_argmax(
    logits: Tensor, classes: LabelMap, size_hw: SizeHW, *, align_corners: bool
) -> LabelMap:
    """Return the class ids (H, W) of one image's logits (K, h, w), and of their classes (h, w)."""
    height, width = classes.shape
    y = _locate(size_hw[0], height, align_corners=align_corners)
    x = _locate(size_hw[1], width, align_corners=align_corners)
    marked = classes | _find_borders(classes)
    labels: LabelMap = marked.take(x.before, axis=1).take(y.before, axis=0)
    borders = np.flatnonzero(labels & _IS_BORDER)
    if borders.size > _MAX_BORDER_SHARE * labels.size:
        full = resize(logits[None], size_hw, align_corners=align_corners)
        return argmax(full)[0].numpy()
    rows, columns = np.divmod(borders, size_hw[1])
    flat = logits.flatten(1).numpy()
    above, below = y.before[rows] * width, y.after[rows] * width
    left, right = x.before[columns], x.after[columns]
    weight = x.weight[columns]
    upper = _blend(flat.take(above + left, axis=1), flat.take(above + right, axis=1), weight)
    lower = _blend(flat.take(below + left, axis=1), flat.take(below + right, axis=1), weight)
    interpolated = torch.from_numpy(_blend(upper, lower, y.weight[rows]))
    labels.reshape(-1)[borders] = argmax(interpolated[None, :, None])[0, 0].numpy()
    return labels


def _find_borders(classes: LabelMap) -> LabelMap:
    """Return `_IS_BORDER` where a logit, the one to the right, or the two below them differ."""
    borders = np.zeros_like(classes, dtype=bool)
    is_other_below = classes[1:] != classes[:-1]
    is_other_right = classes[:, 1:] != classes[:, :-1]
    borders[:-1] = is_other_below
    borders[:-1, :-1] |= is_other_below[:, 1:]
    borders[:, :-1] |= is_other_right
    return borders.astype(np.uint8) * np.uint8(_IS_BORDER)


@lru_cache(maxsize=64)
def _locate(out_size: int, in_size: int, *, align_corners: bool) -> _Axis:
    positions = np.arange(out_size, dtype=np.float32)
    if align_corners:
        positions *= np.float32((in_size - 1) / max(out_size - 1, 1))
    else:
        half = np.float32(0.5)
        positions = ((positions + half) * np.float32(in_size / out_size) - half).clip(0)
    before = positions.astype(np.int64).clip(max=in_size - 1)
    weight = (positions - before).astype(np.float32)
    return _Axis(before, np.minimum(before + 1, in_size - 1), weight)


def _blend(
    before: npt.NDArray[np.float32],
    after: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    blended: npt.NDArray[np.float32] = before * (1 - weight) + after * weight
    return blended

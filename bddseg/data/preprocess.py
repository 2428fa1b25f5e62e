"""From an image to the network's input, as the reference does it."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.specs import Preprocessing
from bddseg.types import Image, SizeHW


def preprocess(image: Image, spec: Preprocessing, *, scale: float = 1.0) -> npt.NDArray[np.float32]:
    """Return an image as the network's input, (3, h, w), float32.

    Pixels are converted to float32 before they are interpolated, as in the reference, so that none
    is rounded to a whole grey level in between, unless the spec says so.

    Args:
        image: RGB, (H, W, 3), uint8.
        spec: What is to be done.
        scale: Multiplies the size of the input, for test-time augmentation.
    """
    height, width = image.shape[:2]
    target_hw = get_input_size((height, width), spec, scale=scale)
    pixels: npt.NDArray[Any] = image if spec.round_pixels else image.astype(np.float32)
    if target_hw != (height, width):
        pixels = cv2.resize(pixels, target_hw[::-1], interpolation=cv2.INTER_LINEAR)
    resized = pixels.astype(np.float32, copy=False)
    if spec.channel_order == "BGR":
        resized = resized[..., ::-1]
    inputs = np.empty((3, *target_hw), np.float32)
    # One channel at a time: NumPy is slow on arrays with a short last axis.
    for plane, channel, mean, std in zip(
        inputs, np.moveaxis(resized, 2, 0), spec.mean, spec.std, strict=True
    ):
        np.subtract(channel, np.float32(mean), out=plane)
        plane *= np.float32(spec.scale) / np.float32(std)
    return inputs


def get_input_size(size_hw: SizeHW, spec: Preprocessing, *, scale: float = 1.0) -> SizeHW:
    """Return the size of the network's input for an image of `size_hw`, in pixels."""
    height, width = (int(edge * scale) for edge in spec.size_hw)
    return fit_size(size_hw, (height, width)) if spec.keep_ratio else (height, width)


def fit_size(size_hw: SizeHW, bounds_hw: SizeHW) -> SizeHW:
    """Return the size, in pixels, at which an image of `size_hw` fits the bounds, ratio kept.

    The long edge is at most the larger bound and the short edge at most the smaller, in portrait or
    landscape. Rounding is the reference's: int(edge * scale + 0.5).
    """
    scale = min(max(bounds_hw) / max(size_hw), min(bounds_hw) / min(size_hw))
    height, width = (int(edge * scale + 0.5) for edge in size_hw)
    return max(height, 1), max(width, 1)

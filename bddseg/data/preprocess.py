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
    size_hw = (image.shape[0], image.shape[1])
    rows, columns = get_image_area(size_hw, spec, scale=scale)
    area_hw = (rows.stop - rows.start, columns.stop - columns.start)
    pixels: npt.NDArray[Any] = image if spec.round_pixels else image.astype(np.float32)
    if area_hw != size_hw:
        pixels = cv2.resize(pixels, area_hw[::-1], interpolation=cv2.INTER_LINEAR)
    resized = pixels.astype(np.float32, copy=False)
    if spec.channel_order == "BGR":
        resized = resized[..., ::-1]
    inputs = np.empty((3, *get_input_size(size_hw, spec, scale=scale)), np.float32)
    # One channel at a time: NumPy is slow on arrays with a short last axis.
    for plane, channel, mean, std in zip(
        inputs, np.moveaxis(resized, 2, 0), spec.mean, spec.std, strict=True
    ):
        if spec.pad_value is not None:
            plane.fill(np.float32(spec.pad_value) - np.float32(mean))
        np.subtract(channel, np.float32(mean), out=plane[rows, columns])
        plane *= np.float32(spec.scale) / np.float32(std)
    return inputs


def get_input_size(size_hw: SizeHW, spec: Preprocessing, *, scale: float = 1.0) -> SizeHW:
    """Return the size of the network's input for an image of `size_hw`, in pixels."""
    height, width = (int(edge * scale) for edge in spec.size_hw)
    return (height, width) if spec.has_fixed_size else fit_size(size_hw, (height, width))


def get_image_area(
    size_hw: SizeHW, spec: Preprocessing, *, scale: float = 1.0
) -> tuple[slice, slice]:
    """Return the rows and columns of the network's input that an image of `size_hw` fills.

    It is all of the input, unless the spec pads it; then it is in the middle, as large as fits.
    """
    height, width = get_input_size(size_hw, spec, scale=scale)
    if spec.pad_value is None:
        return slice(0, height), slice(0, width)
    ratio = min(height / size_hw[0], width / size_hw[1])
    inner = [max(int(edge * ratio + 0.5), 1) for edge in size_hw]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    return slice(top, top + inner[0]), slice(left, left + inner[1])


def fit_size(size_hw: SizeHW, bounds_hw: SizeHW) -> SizeHW:
    """Return the size, in pixels, at which an image of `size_hw` fits the bounds, ratio kept.

    The long edge is at most the larger bound and the short edge at most the smaller, in portrait or
    landscape. Rounding is the reference's: int(edge * scale + 0.5).
    """
    scale = min(max(bounds_hw) / max(size_hw), min(bounds_hw) / min(size_hw))
    height, width = (int(edge * scale + 0.5) for edge in size_hw)
    return max(height, 1), max(width, 1)

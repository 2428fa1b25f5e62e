"""From a frame to the network's input, as the reference does it."""

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.data.frames import Frame

Rgb = tuple[float, float, float]
SizeHW = tuple[int, int]


def prepare_frame(
    frame: Frame,
    *,
    size_hw: SizeHW,
    keep_ratio: bool,
    mean_rgb: Rgb,
    std_rgb: Rgb,
    round_pixels: bool = False,
) -> npt.NDArray[np.float32]:
    """Return a frame as input, (3, h, w), float32: resized, then (pixel - mean) / std.

    Pixels are widened to float32 before they are interpolated, as the reference does, so that
    nothing is rounded to whole grey levels in between, unless that is wanted.

    Args:
        frame: RGB, (H, W, 3), uint8.
        size_hw: the bounds to fit (`keep_ratio`) or the exact size, in pixels.
        keep_ratio: whether the frame's aspect ratio is kept.
        mean_rgb: for pixels of 0 to 255.
        std_rgb: for pixels of 0 to 255.
        round_pixels: whether bytes are interpolated.
    """
    height, width = frame.shape[:2]
    target_hw = fit_size((height, width), size_hw) if keep_ratio else size_hw
    pixels = frame if round_pixels else frame.astype(np.float32)
    if target_hw != (height, width):
        resized = cv2.resize(pixels, target_hw[::-1], interpolation=cv2.INTER_LINEAR)
        image = resized.astype(np.float32, copy=False)
    else:
        image = pixels.astype(np.float32, copy=False)
    prepared = np.empty((3, *target_hw), np.float32)
    # A plane at a time: NumPy is slow at arrays whose last axis is as short as that of colours.
    for plane, channel, mean, std in zip(
        prepared, np.moveaxis(image, 2, 0), mean_rgb, std_rgb, strict=True
    ):
        np.subtract(channel, np.float32(mean), out=plane)
        plane *= 1 / np.float32(std)
    return prepared


def fit_size(size_hw: SizeHW, bounds_hw: SizeHW) -> SizeHW:
    """Return the size, in pixels, at which a frame of `size_hw` fits the bounds, ratio kept.

    The long edge is at most the larger bound and the short edge at most the smaller, whichever way
    the frame lies. Rounding is the reference's: int(edge * scale + 0.5).
    """
    scale = min(max(bounds_hw) / max(size_hw), min(bounds_hw) / min(size_hw))
    height, width = (int(edge * scale + 0.5) for edge in size_hw)
    return max(height, 1), max(width, 1)

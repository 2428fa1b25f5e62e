"""Images on their way into a network: as a user gives them, prepared, and prepared by a GPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bddseg.data.image import read_image
from bddseg.data.preprocess import get_image_area, get_input_size
from bddseg.errors import BddsegError
from bddseg.models.layers import get_size
from bddseg.specs import Preprocessing
from bddseg.types import Image, SizeHW

if TYPE_CHECKING:
    import PIL.Image

# What a user may give as an image.
ImageLike = Union[str, Path, Image, "PIL.Image.Image"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """An image on its way into the network.

    Attributes:
        tensors: The network's inputs, (3, h, w), float32: one, or with test-time augmentation one
            for each scale. For a CUDA GPU it is one of (H, W, 3), uint8, in page-locked memory,
            and the rest is done there.
        size_hw: Size of the image.
    """

    tensors: tuple[Tensor, ...]
    size_hw: SizeHW

    @property
    def shape(self) -> tuple[torch.Size, SizeHW]:
        """What the images of one batch have in common."""
        return self.tensors[0].shape, self.size_hw


def preprocess_on_device(images: Tensor, spec: Preprocessing, *, scale: float = 1.0) -> Tensor:
    """Return images (N, H, W, 3), uint8, as inputs (N, 3, h, w), float32, as `preprocess` does."""
    pixels = images.permute(0, 3, 1, 2).float()
    size_hw = get_size(pixels)
    input_hw = get_input_size(size_hw, spec, scale=scale)
    rows, columns = get_image_area(size_hw, spec, scale=scale)
    area_hw = (rows.stop - rows.start, columns.stop - columns.start)
    if size_hw != area_hw:
        pixels = F.interpolate(pixels, area_hw, mode="bilinear", align_corners=False)
        pixels = pixels.round() if spec.round_pixels else pixels
    if spec.pad_value is not None:
        border = (columns.start, input_hw[1] - columns.stop, rows.start, input_hw[0] - rows.stop)
        pixels = F.pad(pixels, border, value=spec.pad_value)
    if spec.channel_order == "BGR":
        pixels = pixels.flip(1)
    # Filled on the device: a copy from the host would wait for the device.
    mean, std = (
        torch.stack([torch.full((1, 1), value, device=images.device) for value in values])
        for values in (spec.mean, spec.std)
    )
    return (pixels - mean) / std * spec.scale


def to_image(image: ImageLike, *, bgr: bool = False) -> Image:
    """Return an image as RGB, (H, W, 3), uint8, contiguous.

    Raises:
        BddsegError: a file cannot be read, or an array is not uint8 of (H, W), (H, W, 1), (H, W, 3)
            or (H, W, 4).
    """
    if isinstance(image, str | Path):
        return read_image(Path(image))
    if not isinstance(image, np.ndarray):
        convert = getattr(image, "convert", None)
        if convert is None:
            raise BddsegError(
                f"An image cannot be of type {type(image).__name__}.",
                "Give a path, a PIL image or an array of uint8.",
            )
        image, bgr = np.asarray(convert("RGB"), np.uint8), False
    array = image[..., None] if image.ndim == 2 else image
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.dtype != np.uint8:
        raise BddsegError(
            f"An image is an array of (H, W, 3) or (H, W), uint8; this one is {image.shape}, "
            f"{image.dtype}.",
            "Scale floats of 0 to 1 by 255, and use .astype(numpy.uint8).",
        )
    if array.size == 0:
        raise BddsegError(f"An image of shape {image.shape} has no pixels.", "Leave it out.")
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    channels = array[..., :3]
    return np.ascontiguousarray(channels[..., ::-1] if bgr else channels)

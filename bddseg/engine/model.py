"""A model ready to use: frames in, labels out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bddseg.data.frames import Frame
from bddseg.data.masks import Labels
from bddseg.data.transforms import SizeHW, fit_size, prepare_frame
from bddseg.errors import BddsegError
from bddseg.models.architectures import Optimizable, build_network
from bddseg.models.checkpoint import load_weights
from bddseg.models.segmenter import Segmenter, pick_classes
from bddseg.tasks import get_task
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights
from bddseg.zoo.entry import Entry

_log = logging.getLogger(__name__)


Precision = Literal["fp32", "fp16", "bf16"]
_HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}

# Test-time augmentation as in the reference: these multiples of the test size, plain and flipped.
_TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame on its way into the network.

    Attributes:
        images: inputs of the network, (3, h, w), float32: one, or with test-time augmentation one
            for each scale. For a GPU it is one of (H, W, 3), uint8, in pinned memory; the rest of
            the way happens there.
        size_hw: of the frame.
    """

    images: tuple[Tensor, ...]
    size_hw: SizeHW

    @property
    def shape(self) -> tuple[torch.Size, SizeHW]:
        """What frames of one batch have in common."""
        return self.images[0].shape, self.size_hw


class Model:
    """An entry's network with its weights, on a device.

    Calling it turns a frame, RGB (H, W, 3) uint8, into labels, (H, W) uint8; a sequence of frames
    of one size is run as one batch. It holds no state between calls, and threads may share it.
    `prepare` and `segment` are the two halves of that call.
    """

    def __init__(
        self,
        entry: Entry,
        segmenter: Segmenter,
        device: torch.device,
        *,
        precision: Precision = "fp32",
        tta: bool = False,
    ) -> None:
        self.entry = entry
        self.task = get_task(entry.task)
        self.device = device
        self.precision = precision
        self.scales = _TTA_SCALES if tta else (1.0,)
        self._segmenter = segmenter.to(device).eval()

    @overload
    def __call__(self, frames: Frame) -> Labels: ...

    @overload
    def __call__(self, frames: Sequence[Frame]) -> list[Labels]: ...

    def __call__(self, frames: Frame | Sequence[Frame]) -> Labels | list[Labels]:
        """Return the labels of a frame, or of each of several, at the frame's own size.

        Raises:
            BddsegError: a frame is not (H, W, 3), uint8, or they differ in size.
        """
        if isinstance(frames, np.ndarray) and frames.ndim == 3:
            return self.segment([self.prepare(_check_frame(frames))])[0].cpu().numpy()
        prepared = [self.prepare(_check_frame(frame)) for frame in frames]
        if len({each.size_hw for each in prepared}) > 1:
            raise BddsegError(
                "The frames of a batch differ in size.", "Give frames of one size, or one by one."
            )
        return list(self.segment(prepared).cpu().numpy()) if prepared else []

    def prepare(self, frame: Frame) -> Prepared:
        """Return a frame, RGB (H, W, 3) uint8, as `segment` takes it."""
        size_hw = (frame.shape[0], frame.shape[1])
        if self.device.type == "cuda":
            return Prepared((torch.from_numpy(frame).pin_memory(),), size_hw)
        preprocessing = self.entry.preprocessing
        arrays = (
            prepare_frame(
                frame,
                size_hw=bounds_hw,
                keep_ratio=preprocessing.keep_ratio,
                mean_rgb=preprocessing.mean_rgb,
                std_rgb=preprocessing.std_rgb,
                round_pixels=preprocessing.round_pixels,
            )
            for bounds_hw in self._list_bounds()
        )
        return Prepared(tuple(torch.from_numpy(array) for array in arrays), size_hw)

    def segment(self, batch: Sequence[Prepared]) -> Tensor:
        """Return labels (N, H, W), uint8, on the device, of N frames of one `shape`."""
        half = _HALVES.get(self.precision)
        if self.device.type == "cpu":
            _flush_denormals()
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=half, enabled=half is not None),
        ):
            size_hw = batch[0].size_hw
            images = self._stack(batch)
            if len(images) == 1:
                return self._segmenter.label(images[0], size_hw)
            return pick_classes(self._rate_augmented(images, size_hw))

    def _list_bounds(self) -> list[SizeHW]:
        height, width = self.entry.preprocessing.size_hw
        return [(int(height * scale), int(width * scale)) for scale in self.scales]

    def _stack(self, batch: Sequence[Prepared]) -> list[Tensor]:
        """Return one batch (N, 3, h, w), float32, on the device, for each scale."""
        if self.device.type == "cpu":
            return [
                torch.stack(images) for images in zip(*(each.images for each in batch), strict=True)
            ]
        frames = [each.images[0].to(self.device, non_blocking=True) for each in batch]
        preprocessing = self.entry.preprocessing
        return [
            prepare_on_device(
                torch.stack(frames),
                size_hw=fit_size(batch[0].size_hw, bounds_hw)
                if preprocessing.keep_ratio
                else bounds_hw,
                mean_rgb=preprocessing.mean_rgb,
                std_rgb=preprocessing.std_rgb,
                round_pixels=preprocessing.round_pixels,
            )
            for bounds_hw in self._list_bounds()
        ]

    def _rate_augmented(self, images: Sequence[Tensor], size_hw: SizeHW) -> Tensor:
        """Return probabilities (N, K, *size_hw), summed over the images and their mirrors."""
        total = torch.zeros((), device=self.device)
        for image in images:
            total = total + self._segmenter.rate(image, size_hw)
            total = total + self._segmenter.rate(image.flip(3), size_hw).flip(3)
        return total


def prepare_on_device(
    frames: Tensor,
    *,
    size_hw: SizeHW,
    mean_rgb: Sequence[float],
    std_rgb: Sequence[float],
    round_pixels: bool = False,
) -> Tensor:
    """Return frames (N, H, W, 3), uint8, as inputs (N, 3, *size_hw), float32.

    The same as `prepare_frame` does on a CPU: pixels are widened before they are interpolated.
    """
    images = frames.permute(0, 3, 1, 2).float()
    if tuple(images.shape[2:]) != tuple(size_hw):
        images = F.interpolate(images, size_hw, mode="bilinear", align_corners=False)
        images = images.round() if round_pixels else images
    mean = torch.tensor(mean_rgb, device=frames.device).view(3, 1, 1)
    std = torch.tensor(std_rgb, device=frames.device).view(3, 1, 1)
    return (images - mean) / std


def _flush_denormals() -> None:
    """Let the CPU take denormal numbers for zero.

    Some published weights hold them, and they make a CPU tens of times slower. The setting is a
    thread's own: OpenMP's threads inherit it from the one that first enters a parallel region, so
    it comes before any such, in whatever thread that is.
    """
    torch.set_flush_denormal(True)


def _check_frame(frame: Frame) -> Frame:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise BddsegError(
            f"A frame is RGB, (H, W, 3), uint8; this is {frame.shape}, {frame.dtype}.",
            "Convert it: a grey frame needs its channel three times, a float one x 255.",
        )
    return frame


def load_model(
    model: str | Entry,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    tta: bool = False,
) -> Model:
    """Return a model ready to use.

    Args:
        model: a name or short name in the zoo, the path of an entry's TOML file, or an entry.
        weights: a checkpoint file; without it, the entry's own.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: what the network computes in; "fp16" and "bf16" use torch's autocast.
        tta: average over six scales and their mirror images: slower, and a little better.

    Raises:
        BddsegError: no such model, weights or device, or weights that do not fit.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    target = choose_device(device)
    if target.type == "cpu":
        _flush_denormals()
    path = Path(weights) if weights else get_weights(entry)
    network = build_network(
        entry.architecture,
        num_classes=len(get_task(entry.task).classes),
        options=entry.options,
    )
    load_weights(network, path)
    network.eval()
    if isinstance(network, Optimizable):
        network.optimize()
    test = entry.test
    segmenter = Segmenter(network, mode=test.mode, crop_hw=test.crop_hw, stride_hw=test.stride_hw)
    _log.info("%s on %s with %s", entry.name, target, path)
    return Model(entry, segmenter, target, precision=precision, tta=tta)


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU if there is one, else the CPU.

    Raises:
        BddsegError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BddsegError(f"'{name}' is no device.", "Use auto, cpu or cuda.") from error
    available = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type not in ("cpu", "cuda") or (device.index or 0) >= available:
        raise BddsegError(
            f"Device '{name}' is not available: torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices.",
            "Use --device cpu.",
        )
    return device

"""A model ready to use: frames in, labels out."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from bddseg.data.frames import Frame
from bddseg.data.masks import Labels
from bddseg.data.transforms import prepare_frame
from bddseg.errors import BddsegError
from bddseg.models.architectures import build_network
from bddseg.models.checkpoint import load_weights
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.segmenter import Segmenter, pick_classes
from bddseg.tasks import get_task
from bddseg.zoo.cache import find_weights
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.entry import Entry

_log = logging.getLogger(__name__)


Precision = Literal["fp32", "fp16", "bf16"]
_HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}

# Test-time augmentation as in the reference: these multiples of the test size, plain and flipped.
_TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


class Model:
    """An entry's network with its weights, on a device.

    Calling it turns a frame, RGB (H, W, 3) uint8, into labels, (H, W) uint8. `prepare` and
    `segment` are the two halves of that call.
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

    def __call__(self, frame: Frame) -> Labels:
        """Return the labels of a frame, at the frame's own size."""
        return self.segment(self.prepare(frame), (frame.shape[0], frame.shape[1]))

    def prepare(self, frame: Frame) -> list[Tensor]:
        """Return a frame as inputs of the network, (1, 3, h, w), float32, on the CPU.

        There is one of them, or with test-time augmentation one for each scale.
        """
        preprocessing = self.entry.preprocessing
        height, width = preprocessing.size_hw
        arrays = (
            prepare_frame(
                frame,
                size_hw=(int(height * scale), int(width * scale)),
                keep_ratio=preprocessing.keep_ratio,
                mean_rgb=preprocessing.mean_rgb,
                std_rgb=preprocessing.std_rgb,
            )
            for scale in self.scales
        )
        return [torch.from_numpy(array)[None] for array in arrays]

    def segment(self, images: Sequence[Tensor], size_hw: tuple[int, int]) -> Labels:
        """Return labels of `size_hw`, uint8, of what `prepare` made from one frame."""
        half = _HALVES.get(self.precision)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=half, enabled=half is not None),
        ):
            if len(images) == 1:
                labels = self._segmenter.label(images[0].to(self.device), size_hw)
            else:
                labels = pick_classes(self._rate_augmented(images, size_hw))
        return labels[0].cpu().numpy()

    def _rate_augmented(self, images: Sequence[Tensor], size_hw: tuple[int, int]) -> Tensor:
        """Return probabilities (1, K, *size_hw), summed over the images and their mirrors."""
        total = torch.zeros((), device=self.device)
        for image in images:
            image = image.to(self.device)
            total = total + self._segmenter.rate(image, size_hw)
            total = total + self._segmenter.rate(image.flip(3), size_hw).flip(3)
        return total


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
    path = Path(weights) if weights else find_weights(entry)
    # Some published weights hold denormal numbers, on which a CPU is tens of times slower. The
    # threads of a parallel region inherit the setting from the one that first enters it.
    torch.set_flush_denormal(True)
    network = build_network(
        entry.architecture,
        num_classes=len(get_task(entry.task).classes),
        options=entry.options,
    )
    load_weights(network, path)
    if isinstance(network, EncoderDecoder):
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

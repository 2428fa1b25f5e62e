"""What a model says about an image: its label map and, on request, more."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import numpy as np
import numpy.typing as npt

from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.tasks.task import Task
from bddseg.types import Image, LabelMap, SizeHW
from bddseg.vis.colorize import get_palette, paint
from bddseg.vis.overlay import overlay_labels

# Torch is imported on use: the launcher of a run needs writers, but no torch.
if TYPE_CHECKING:
    from torch import Tensor

FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A label map of a task, with what else can be computed of it.

    Attributes:
        labels: Class ids, (H, W), uint8, at the image's size.
        task: What the ids mean.
        name: Name of the frame, if it has one.
        time: Of a live source, when the frame came, in seconds of Unix time, as in `frames.csv`; of
            a video, its position in seconds from the first frame; None where it is not known.
        latency_ms: Of a live source, milliseconds from when the frame came to this prediction.
        image: The image, RGB, (H, W, 3), uint8, where it was kept.
        raw_logits: Logits, (K, h, w), at the size of the network's input, where they were kept.
        align_corners: How they are interpolated to the image's size.
    """

    labels: LabelMap
    task: Task
    name: str = ""
    time: float | None = field(default=None, repr=False)
    latency_ms: float | None = field(default=None, repr=False)
    image: Image | None = field(default=None, repr=False)
    raw_logits: Optional["Tensor"] = field(default=None, repr=False)
    align_corners: bool = field(default=False, repr=False)

    def __repr__(self) -> str:
        height, width = self.labels.shape
        shares = ", ".join(
            f"{name} {np.count_nonzero(self.labels == number) / max(self.labels.size, 1):.1%}"
            for number, name in enumerate(self.task.classes)
            if (self.labels == number).any()
        )
        name = f"'{self.name}', " if self.name else ""
        return f"Prediction({name}{self.task.name}, {width}x{height}: {shares})"

    @property
    def size_hw(self) -> SizeHW:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    def logits(self) -> FloatMap:
        """Return the logits at the image's size, (K, H, W), float32.

        Raises:
            BddsegError: they were not kept.
        """
        return self._resize_logits().numpy(force=True)

    def probabilities(self) -> FloatMap:
        """Return the probability of each class, (K, H, W), float32, 0 to 1.

        Raises:
            BddsegError: the logits were not kept.
        """
        return self._resize_logits().softmax(dim=0).numpy(force=True)

    @cached_property
    def confidence(self) -> FloatMap:
        """The probability of each pixel's class, (H, W), float32, 0 to 1.

        Raises:
            BddsegError: the logits were not kept.
        """
        confidence: FloatMap = self.probabilities().max(axis=0)
        return confidence

    def colormap(self) -> Image:
        """Return the label map in the task's colors, RGB, (H, W, 3), uint8."""
        return paint(self.labels, get_palette(self.task))

    def overlay(self, alpha: float = 0.5) -> Image:
        """Return the image with the colors blended in, RGB, (H, W, 3), uint8.

        Args:
            alpha: Share of the colors, 0 to 1.

        Raises:
            BddsegError: the image was not kept.
        """
        if self.image is None:
            raise BddsegError(
                "This prediction does not hold its image.",
                "Use bddseg.vis.overlay.overlay_labels(image, prediction.labels, prediction.task).",
            )
        return overlay_labels(self.image, self.labels, self.task, alpha)

    def save(self, path: str | Path) -> None:
        """Write the label map as a mask: a single-channel 8-bit PNG, complete or absent.

        Raises:
            BddsegError: the name does not end in .png, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise BddsegError(
                f"{path}: masks are PNG files, so that no class id changes.",
                f"Use {path.with_suffix('.png')}.",
            )
        write_mask(path, self.labels)

    def _resize_logits(self) -> "Tensor":
        if self.raw_logits is None:
            raise BddsegError(
                "This prediction does not hold its logits.",
                "Predictions of a model that is called from Python do.",
            )
        from bddseg.models.layers import resize

        logits = self.raw_logits.float()[None]
        return resize(logits, self.size_hw, align_corners=self.align_corners)[0]

"""Smoothing over time: an exponential average of the logits of a sequence's frames."""

import re
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from bddseg.data.sources.source import get_folder
from bddseg.errors import BddsegError
from bddseg.types import Image, SizeHW

# Torch is imported on use: the launcher of a run checks what it is asked for without it.
if TYPE_CHECKING:
    from torch import Tensor

    from bddseg.inference.images import Inputs
    from bddseg.inference.predictor import Predictor

Thumbnail = npt.NDArray[np.float32]

_THUMBNAIL_WH = (32, 18)
# Thumbnails with a smaller correlation are of different scenes. Measured with
# tests/benchmarks/bench_smoothing.py: of 1,910 pairs of consecutive frames of seven driving videos,
# the smallest is 0.92, and their three cuts have 0.15 to 0.35. Of 52,003 pairs of frames of
# different scenes of BDD100K, one has more.
MIN_CORRELATION = 0.88


class Smoother:
    """A model whose logits are averages over the frames so far, in which older ones count less.

    The newest frame has a weight, and all before it together the rest. The average starts again at
    a scene cut, and where frames of another folder begin. It has the same labels as an average of
    log-probabilities, which test-time augmentation gives: logits differ from them by a number that
    is the same for all classes.

    Args:
        predictor: The model.
        weight: Weight of the newest frame, above 0 and at most 1.

    Raises:
        BddsegError: the weight is out of range.
    """

    def __init__(self, predictor: "Predictor", weight: float) -> None:
        check_weight(weight)
        self._predictor = predictor
        self._weight = weight
        self._last: tuple[str, SizeHW, Thumbnail] | None = None
        self._averages: list[Tensor] = []

    def compute_logits(self, inputs: "Inputs", thumbnail: Thumbnail, name: str) -> list["Tensor"]:
        """Return each task's logits (1, K, h, w), float32, on the device, averaged up to a frame.

        Logits that are not finite, in float32 too, are returned, and count in no average.

        Args:
            inputs: The frame that comes next, as `Predictor.prepare` returned it.
            thumbnail: What `make_thumbnail` returned of it.
            name: Its name.

        Raises:
            BddsegError: the frame cannot be the next one of a sequence.
        """
        logits = self._predictor.compute_logits([inputs])
        if not _are_finite(logits):
            logits = self._predictor.in_float32(self._predictor.tasks).compute_logits([inputs])
            if not _are_finite(logits):
                return logits
        if self._continues(name, inputs.size_hw, thumbnail):
            pairs = zip(self._averages, logits, strict=True)
            logits = [average.lerp(newest, self._weight) for average, newest in pairs]
        self._averages, self._last = logits, (name, inputs.size_hw, thumbnail)
        return logits

    def _continues(self, name: str, size_hw: SizeHW, thumbnail: Thumbnail) -> bool:
        """Return whether a frame is of the same scene as the last one."""
        if self._last is None or get_folder(name) != get_folder(self._last[0]):
            return False
        last_name, last_hw, last_thumbnail = self._last
        if size_hw != last_hw:
            raise BddsegError(
                f"{name} has {size_hw[1]}x{size_hw[0]} pixels, and {last_name} before it "
                f"{last_hw[1]}x{last_hw[0]}: they are not of one sequence.",
                "Put each sequence into a folder of its own, or leave out --smooth.",
            )
        if _is_misordered(last_name, name):
            raise BddsegError(
                f"{last_name} comes before {name}, and smoothing needs the order of time.",
                "Give the numbers in the names leading zeros, or give a list file of the frames.",
            )
        return float((thumbnail * last_thumbnail).sum()) >= MIN_CORRELATION


def make_thumbnail(image: Image) -> Thumbnail:
    """Return what scene cuts are detected by: an image in grey, (18, 32), float32.

    The mean is 0 and the norm 1, because brightness and contrast change within a scene too, as
    under a bridge. An image without any contrast becomes zeros, and each one is a scene of its own.

    Args:
        image: RGB, (H, W, 3), uint8.
    """
    small = cv2.resize(image, _THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey -= grey.mean()
    thumbnail: Thumbnail = grey / max(np.linalg.norm(grey), np.float32(1e-6))
    return thumbnail


def check_weight(weight: float) -> None:
    """Refuse weights of the newest frame that make no average.

    Raises:
        BddsegError: it is not above 0 and at most 1.
    """
    if not 0 < weight <= 1:
        raise BddsegError(
            f"--smooth is the weight of the newest frame, above 0 and at most 1, not {weight}.",
            "0.5 is a start; 1 turns smoothing off.",
        )


def _are_finite(logits: list["Tensor"]) -> bool:
    return all(bool(each.sum().isfinite()) for each in logits)


def _is_misordered(before: str, after: str) -> bool:
    """Return whether two names are in the order of text and not of the one number they differ in.

    >>> _is_misordered("frame10.left", "frame9.left")
    True
    """
    parts = [re.split(r"(\d+)", name) for name in (before, after)]
    differing = [pair for pair in zip(*parts, strict=False) if pair[0] != pair[1]]
    if len(parts[0]) != len(parts[1]) or len(differing) != 1 or before > after:
        return False
    ((first, second),) = differing
    return first.isdecimal() and second.isdecimal() and int(first) > int(second)

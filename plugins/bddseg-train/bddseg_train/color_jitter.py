"""Random brightness, contrast, saturation and hue."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from bddseg.types import Image
from bddseg_train.transforms import RandomTransform, Sample, check_range

_Factor = Annotated[float, msgspec.Meta(ge=0)]
# One value for each of the 256 levels.
_Table = npt.NDArray[np.uint8]
_LEVELS: _Table = np.arange(256, dtype=np.uint8)
# OpenCV has hues in steps of two degrees.
_NUM_HUES = 180
# Channels of HSV.
_HUE, _SATURATION = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterParams:
    """What is changed; None means nothing.

    Attributes:
        brightness: Added to each channel, in grey levels.
        contrast: Factor of each channel.
        contrast_last: Contrast is changed after saturation and hue, not before.
        saturation: Factor of the saturation.
        hue: Added to the hue, in steps of two degrees.
    """

    brightness: float | None = None
    contrast: float | None = None
    contrast_last: bool = False
    saturation: float | None = None
    hue: int | None = None


class ColorJitter(RandomTransform[JitterParams]):
    """Changes brightness, contrast, saturation and hue, each of them half of the time.

    It is mmsegmentation's PhotoMetricDistortion: pixels are cut off to whole grey levels after each
    change, and contrast comes second or last.

    Args:
        brightness: Largest change of brightness, in grey levels.
        contrast: Lowest and highest factor of the contrast.
        saturation: Lowest and highest factor of the saturation.
        hue: Largest change of the hue, in steps of two degrees.
    """

    def __init__(
        self,
        brightness: Annotated[float, msgspec.Meta(ge=0, le=255)] = 32.0,
        contrast: tuple[_Factor, _Factor] = (0.5, 1.5),
        saturation: tuple[_Factor, _Factor] = (0.5, 1.5),
        hue: Annotated[int, msgspec.Meta(ge=0, le=_NUM_HUES // 2)] = 18,
    ) -> None:
        self._brightness = brightness
        self._contrast = check_range("contrast", contrast)
        self._saturation = check_range("saturation", saturation)
        self._hue = hue

    def draw(self, sample: Sample, rng: np.random.Generator) -> JitterParams:  # noqa: ARG002
        """Return what is changed."""
        bright, contrasted, contrast_last, saturated, hued = rng.integers(0, 2, 5).tolist()
        # As in the reference, the largest change is excluded.
        hue = int(rng.integers(-self._hue, max(self._hue, 1)))
        return JitterParams(
            brightness=rng.uniform(-self._brightness, self._brightness) if bright else None,
            contrast=rng.uniform(*self._contrast) if contrasted else None,
            contrast_last=bool(contrast_last),
            saturation=rng.uniform(*self._saturation) if saturated else None,
            hue=hue if hued else None,
        )

    def apply(self, sample: Sample, params: JitterParams) -> Sample:
        """Return the sample with a changed image."""
        # Each change depends on one level alone: tables of all levels, one after the other, give
        # the same pixels as changes of the whole image, in a fraction of the time.
        first = _LEVELS
        if params.brightness is not None:
            first = _change(first, offset=params.brightness)
        last = _LEVELS
        if params.contrast is not None:
            if params.contrast_last:
                last = _change(last, factor=params.contrast)
            else:
                first = _change(first, factor=params.contrast)
        image = _look_up(sample.image, first)
        # To HSV and back for each of the two, as in the reference.
        if params.saturation is not None:
            table = _change(_LEVELS, factor=params.saturation)
            image = _look_up_hsv(image, _SATURATION, table)
        if params.hue is not None:
            table = ((_LEVELS.astype(np.int64) + params.hue) % _NUM_HUES).astype(np.uint8)
            image = _look_up_hsv(image, _HUE, table)
        return Sample(_look_up(image, last), sample.labels)


def _change(table: _Table, *, factor: float = 1.0, offset: float = 0.0) -> _Table:
    changed: npt.NDArray[np.float32] = table.astype(np.float32) * factor + offset
    return changed.clip(0, 255).astype(np.uint8)


def _look_up(image: Image, table: _Table) -> Image:
    if table is _LEVELS:
        return image
    return cv2.LUT(image, table).astype(np.uint8, copy=False)


def _look_up_hsv(image: Image, channel: int, table: _Table) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    # In less than half of the time of a table with three channels.
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8, copy=False)

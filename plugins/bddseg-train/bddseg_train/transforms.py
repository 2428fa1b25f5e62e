"""Transforms: random changes of an image and its labels, as mmsegmentation 0.30 defines them.

Each first draws its parameters and then applies them, so that the same parameters can be given to
other code.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, Protocol, TypeVar

import cv2
import msgspec
import numpy as np

from bddseg.data.preprocess import fit_size
from bddseg.models.options import OptionError, call_with_options, check_takes_keywords
from bddseg.registry import Registry
from bddseg.specs import SizeHW
from bddseg.tasks.task import IGNORE_INDEX
from bddseg.types import Image, LabelMap

P = TypeVar("P")

# Not `gt=0`: where the processor rounds tiny numbers to 0, msgspec takes 0 for that.
_Ratio = Annotated[float, msgspec.Meta(ge=0.01, le=16)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """An image with its labels.

    Attributes:
        image: RGB, (H, W, 3), uint8.
        labels: Class ids, (H, W), uint8; 255 is ignored.
    """

    image: Image
    labels: LabelMap

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]


class Transform(Protocol):
    """A change of a sample, built from keywords; `crop_hw` is the recipe's, where it is one."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the changed sample; all random numbers come from `rng`."""
        ...


TRANSFORMS: Registry[Callable[..., Transform]] = Registry(
    "bddseg.transforms", "transform", check=check_takes_keywords
)


def build_transforms(tables: Sequence[Mapping[str, Any]], crop_hw: SizeHW) -> Transform:
    """Return a transform that applies others, one after the other.

    Args:
        tables: Of each transform, its `name` in the registry of transforms, and its options.
        crop_hw: The recipe's size of inputs, for transforms that have a keyword `crop_hw`.

    Raises:
        BddsegError: There is no such transform, or an option does not fit it.
    """
    return _Chain([_build(table, crop_hw, f"transforms[{i}]") for i, table in enumerate(tables)])


def _build(table: Mapping[str, Any], crop_hw: SizeHW, key: str) -> Transform:
    name = table.get("name")
    if not isinstance(name, str):
        raise OptionError(
            f"{key}.name",
            f"is {name!r}, and the name of a transform was expected.",
            f"Known transforms: {', '.join(TRANSFORMS.list_names())}.",
        )
    function = TRANSFORMS.load(name)
    if "crop_hw" in inspect.signature(function).parameters:
        function = partial(function, crop_hw=crop_hw)
    options = {option: value for option, value in table.items() if option != "name"}
    return call_with_options(function, options, f"{key} ({name})")


@dataclass(frozen=True, slots=True)
class _Chain:
    """Transforms, one after the other."""

    transforms: Sequence[Transform]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


class RandomTransform(ABC, Generic[P]):
    """A transform in two parts: drawing its parameters, and applying them."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, changed at random."""
        return self.apply(sample, self.draw(sample, rng))

    @abstractmethod
    def draw(self, sample: Sample, rng: np.random.Generator) -> P:
        """Return parameters; of the sample, only its size is used."""

    @abstractmethod
    def apply(self, sample: Sample, params: P) -> Sample:
        """Return the changed sample: a function of its arguments alone."""


class RandomResize(RandomTransform[float]):
    """Resizes to fit a size times a random ratio; the aspect ratio is kept.

    Pixels are interpolated bilinearly and rounded, labels are those of the nearest pixel.

    Args:
        size_hw: Size at ratio 1, in pixels.
        ratio_range: Smallest and largest ratio.
    """

    def __init__(self, size_hw: SizeHW, ratio_range: tuple[_Ratio, _Ratio] = (1.0, 1.0)) -> None:
        self._size_hw = size_hw
        self._ratio_range = check_range("ratio_range", ratio_range)

    def draw(self, sample: Sample, rng: np.random.Generator) -> float:  # noqa: ARG002
        """Return the ratio."""
        return rng.uniform(*self._ratio_range)

    def apply(self, sample: Sample, params: float) -> Sample:
        """Return the resized sample."""
        height, width = (int(edge * params) for edge in self._size_hw)
        size_hw = fit_size(sample.size_hw, (height, width))
        if size_hw == sample.size_hw:
            return sample
        return Sample(
            _resize(sample.image, size_hw, cv2.INTER_LINEAR),
            _resize(sample.labels, size_hw, cv2.INTER_NEAREST),
        )


class RandomCrop(RandomTransform[tuple[tuple[int, int], ...]]):
    """Cuts out a random part, without one class that fills nearly all of it if possible.

    Up to ten places are tried, and the eleventh is used as it is. Ignored pixels do not count. An
    image that is smaller than the crop keeps its size.

    Args:
        crop_hw: Size of the part, in pixels.
        max_class_share: Largest share of one class, among the pixels that have one.
    """

    def __init__(self, crop_hw: SizeHW, max_class_share: _Share = 1.0) -> None:
        self._crop_hw = crop_hw
        self._max_class_share = max_class_share

    def draw(self, sample: Sample, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
        """Return places in the order in which they are tried: row and column of the first pixel."""
        height, width = (
            max(edge - crop, 0) for edge, crop in zip(sample.size_hw, self._crop_hw, strict=True)
        )
        count = _TRIES + 1 if self._max_class_share < 1 else 1
        places = rng.integers(0, (height + 1, width + 1), (count, 2)).tolist()
        return tuple((top, left) for top, left in places)

    def apply(self, sample: Sample, params: tuple[tuple[int, int], ...]) -> Sample:
        """Return the part at the first place that is mixed enough, or else at the last."""
        *tried, last = params
        parts = (self._cut(sample, place) for place in tried)
        return next(filter(self._is_mixed, parts), None) or self._cut(sample, last)

    def _cut(self, sample: Sample, place: tuple[int, int]) -> Sample:
        rows, columns = (
            slice(first, first + length) for first, length in zip(place, self._crop_hw, strict=True)
        )
        return Sample(sample.image[rows, columns], sample.labels[rows, columns])

    def _is_mixed(self, sample: Sample) -> bool:
        # A sort or a NumPy histogram takes ten times as long.
        counts = cv2.calcHist([sample.labels], [0], None, [256], [0, 256])[:IGNORE_INDEX]
        total = float(counts.sum(dtype=np.float64))
        return bool(np.count_nonzero(counts) > 1 and counts.max() / total < self._max_class_share)


class RandomFlip(RandomTransform[bool]):
    """Swaps left and right.

    Args:
        probability: How often, 0 to 1.
    """

    def __init__(self, probability: _Share = 0.5) -> None:
        self._probability = probability

    def draw(self, sample: Sample, rng: np.random.Generator) -> bool:  # noqa: ARG002
        """Return whether to swap."""
        return bool(rng.random() < self._probability)

    def apply(self, sample: Sample, params: bool) -> Sample:
        """Return the sample, swapped if `params`."""
        if not params:
            return sample
        # OpenCV and NumPy are slow on arrays that are reversed in memory.
        return Sample(_flip(sample.image), _flip(sample.labels))


def check_range(name: str, values: tuple[float, float]) -> tuple[float, float]:
    """Return the values of an option: a lowest and a highest number.

    Raises:
        OptionError: The first is above the second.
    """
    lowest, highest = values
    if lowest > highest:
        raise OptionError(name, f"is {list(values)}.", "Give the lower number first.")
    return lowest, highest


def _resize(pixels: Image | LabelMap, size_hw: SizeHW, interpolation: int) -> Image:
    resized = cv2.resize(pixels, size_hw[::-1], interpolation=interpolation)
    return resized.astype(np.uint8, copy=False)


def _flip(pixels: Image | LabelMap) -> Image:
    return cv2.flip(pixels, 1).astype(np.uint8, copy=False)

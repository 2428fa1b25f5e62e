"""From an image to the network's input."""

import cv2
import numpy as np
import pytest

from bddseg.data.preprocess import fit_size, get_image_area, get_input_size, preprocess
from bddseg.specs import Preprocessing
from bddseg.types import Image, SizeHW

NEUTRAL = Preprocessing(size_hw=(45, 60), mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture
def image() -> Image:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "bounds", "expected"),
    [
        ((720, 1280), (720, 1280), (720, 1280)),
        ((720, 1280), (721, 1281), (721, 1281)),
        ((1280, 720), (720, 1280), (1280, 720)),  # the bounds follow the image's orientation
        ((1080, 1920), (720, 1280), (720, 1280)),
        ((480, 640), (720, 1280), (720, 960)),
        ((375, 1242), (720, 1280), (386, 1280)),  # int(375 * 1280 / 1242 + 0.5)
        ((1, 5000), (720, 1280), (1, 1280)),
    ],
)
def test_an_image_fits_the_bounds_with_its_ratio_kept(
    size: SizeHW, bounds: SizeHW, expected: SizeHW
) -> None:
    assert fit_size(size, bounds) == expected


def test_pixels_are_converted_to_float_before_they_are_resized(image: Image) -> None:
    mean, std = (10.0, 20.0, 30.0), (2.0, 3.0, 4.0)
    inputs = preprocess(image, Preprocessing(size_hw=(45, 60), mean=mean, std=std))
    expected = cv2.resize(image.astype(np.float32), (60, 45), interpolation=cv2.INTER_LINEAR)
    assert inputs.dtype == np.float32
    assert inputs.flags.c_contiguous
    np.testing.assert_allclose(inputs, ((expected - mean) / std).transpose(2, 0, 1), atol=1e-4)


def test_pixels_are_rounded_if_the_spec_says_so(image: Image) -> None:
    spec = Preprocessing(size_hw=(45, 60), round_pixels=True, mean=(0, 0, 0), std=(1, 1, 1))
    inputs = preprocess(image, spec)
    expected = cv2.resize(image, (60, 45), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    assert inputs.dtype == np.float32
    assert np.array_equal(inputs, expected)


def test_mean_and_std_are_in_the_order_of_the_channels(image: Image) -> None:
    mean, std = (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)
    rgb = Preprocessing(size_hw=(30, 40), mean=mean, std=std)
    bgr = Preprocessing(
        size_hw=(30, 40), mean=mean[::-1], std=std[::-1], channel_order="BGR", round_pixels=True
    )
    assert np.array_equal(preprocess(image, bgr), preprocess(image, rgb)[::-1])


def test_the_scale_multiplies_the_result(image: Image) -> None:
    spec = Preprocessing(size_hw=(30, 40), mean=(0, 0, 0), std=(1, 1, 1), scale=1 / 255)
    np.testing.assert_allclose(preprocess(image, spec).max(), image.max() / 255, rtol=1e-6)


def test_without_the_ratio_the_size_is_exact() -> None:
    spec = Preprocessing(size_hw=(36, 64), keep_ratio=False, mean=(0, 0, 0), std=(1, 1, 1))
    assert preprocess(np.zeros((30, 40, 3), np.uint8), spec).shape == (3, 36, 64)


def test_the_input_is_scaled_for_test_time_augmentation(image: Image) -> None:
    assert get_input_size((30, 40), NEUTRAL, scale=2) == (90, 120)
    assert preprocess(image, NEUTRAL, scale=2).shape == (3, 90, 120)


@pytest.mark.parametrize(
    ("size_hw", "rows", "columns"),
    [
        ((720, 1280), (12, 372), (0, 640)),
        ((1280, 720), (0, 384), (212, 428)),  # the input does not turn with the image
        ((384, 640), (0, 384), (0, 640)),
        ((1, 5000), (191, 192), (0, 640)),
    ],
)
def test_a_padded_image_is_in_the_middle_of_an_input_of_exactly_the_size(
    size_hw: SizeHW, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    spec = Preprocessing(size_hw=(384, 640), pad_value=114, mean=(0, 0, 0), std=(1, 1, 1))
    assert get_input_size(size_hw, spec) == (384, 640)
    assert get_image_area(size_hw, spec) == (slice(*rows), slice(*columns))


def test_padding_is_normalised_like_pixels_of_its_grey_level(image: Image) -> None:
    mean, std = (10.0, 20.0, 30.0), (2.0, 3.0, 4.0)
    plain = Preprocessing(size_hw=(45, 60), mean=mean, std=std)
    padded = Preprocessing(size_hw=(51, 60), pad_value=114, mean=mean, std=std)
    inputs = preprocess(image, padded)
    assert inputs.shape == (3, 51, 60)
    assert np.array_equal(inputs[:, 3:48], preprocess(image, plain))
    grey = (114 - np.array(mean)) / np.array(std)
    for border in (inputs[:, :3], inputs[:, 48:]):
        np.testing.assert_allclose(border, np.broadcast_to(grey[:, None, None], border.shape))


def test_padding_without_keeping_the_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match="pad_value needs keep_ratio"):
        Preprocessing(
            size_hw=(45, 60), keep_ratio=False, pad_value=0, mean=(0, 0, 0), std=(1, 1, 1)
        )

import cv2
import numpy as np
import pytest

from bddseg.data.transforms import fit_size, prepare_frame


@pytest.mark.parametrize(
    ("size", "bounds", "expected"),
    [
        ((720, 1280), (720, 1280), (720, 1280)),
        ((720, 1280), (721, 1281), (721, 1281)),
        ((1280, 720), (720, 1280), (1280, 720)),  # bounds turn with the frame
        ((1080, 1920), (720, 1280), (720, 1280)),
        ((480, 640), (720, 1280), (720, 960)),
        ((375, 1242), (720, 1280), (386, 1280)),  # int(375 * 1280 / 1242 + 0.5)
        ((1, 5000), (720, 1280), (1, 1280)),
    ],
)
def test_a_frame_fits_the_bounds_with_its_ratio_kept(size, bounds, expected):
    assert fit_size(size, bounds) == expected


def test_pixels_are_widened_before_they_are_resized():
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    mean, std = (10.0, 20.0, 30.0), (2.0, 3.0, 4.0)
    image = prepare_frame(frame, size_hw=(45, 60), keep_ratio=True, mean_rgb=mean, std_rgb=std)
    expected = cv2.resize(frame.astype(np.float32), (60, 45), interpolation=cv2.INTER_LINEAR)
    expected = ((expected - mean) / std).transpose(2, 0, 1)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_allclose(image, expected, atol=1e-4)


def test_pixels_are_rounded_where_that_is_wanted():
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    options = {"keep_ratio": True, "mean_rgb": (0, 0, 0), "std_rgb": (1, 1, 1)}
    image = prepare_frame(frame, size_hw=(45, 60), round_pixels=True, **options)
    expected = cv2.resize(frame, (60, 45), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    assert image.dtype == np.float32
    assert np.array_equal(image, expected)


def test_without_the_ratio_the_size_is_exact():
    frame = np.zeros((30, 40, 3), np.uint8)
    image = prepare_frame(
        frame, size_hw=(36, 64), keep_ratio=False, mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1)
    )
    assert image.shape == (3, 36, 64)

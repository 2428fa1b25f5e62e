"""The transforms, against mmsegmentation's with the same random numbers: see golden/."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from bddseg_train.color_jitter import ColorJitter, JitterParams
from bddseg_train.transforms import (
    TRANSFORMS,
    RandomCrop,
    RandomFlip,
    RandomResize,
    Sample,
    Transform,
    build_transforms,
)

from bddseg.errors import BddsegError

GOLDEN: dict[str, npt.NDArray[Any]] = dict(
    np.load(Path(__file__).parent / "golden" / "transforms.npz")
)
CASES = sorted(
    name.removesuffix("_draws") for name in GOLDEN if name[:4] == "case" and name.endswith("_draws")
)
CROP_HW = (48, 96)
RECIPE: list[dict[str, Any]] = [
    {"name": "resize", "size_hw": [90, 160], "ratio_range": [0.5, 2.0]},
    {"name": "crop", "max_class_share": 0.75},
    {"name": "flip"},
    {"name": "color_jitter"},
]
Draws = list[tuple[str, float]]


def read_scene(case: str) -> Sample:
    scene = case.replace("case", "scene").partition("-")[0]
    return Sample(GOLDEN[f"{scene}_image"], GOLDEN[f"{scene}_labels"])


def read_draws(case: str) -> dict[str, Draws]:
    draws: dict[str, Draws] = json.loads(str(GOLDEN[f"{case}_draws"]))
    return draws


def read_jitter(draws: Draws) -> JitterParams:
    """Return the parameters of the reference's random numbers, in the order of its calls."""
    values: Iterator[float] = (value for _, value in draws)

    def read_change() -> float | None:
        return next(values) if next(values) else None

    brightness = read_change()
    contrast_last = not next(values)
    contrast = None if contrast_last else read_change()
    saturation = read_change()
    hue = read_change()
    if contrast_last:
        contrast = read_change()
    assert next(values, None) is None
    return JitterParams(
        brightness=brightness,
        contrast=contrast,
        contrast_last=contrast_last,
        saturation=saturation,
        hue=None if hue is None else int(hue),
    )


def resize_and_crop(case: str) -> Sample:
    draws = read_draws(case)
    ((_, ratio),) = draws["resize"]
    resized = RandomResize((90, 160)).apply(read_scene(case), ratio * 1.5 + 0.5)
    offsets = [int(value) for _, value in draws["crop"]]
    places = list(zip(offsets[::2], offsets[1::2], strict=True))
    # After the place that the reference accepts, one that it does not.
    if len(places) <= 10:
        places.append((1, 1))
    return RandomCrop(CROP_HW, 0.75).apply(resized, tuple(places))


def assert_equal_to_a_grey_level(
    found: npt.NDArray[np.uint8], expected: npt.NDArray[np.uint8]
) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("case", CASES)
def test_resized_and_cropped_images_equal_those_of_mmsegmentation(case: str) -> None:
    assert_equal_to_a_grey_level(resize_and_crop(case).image, GOLDEN[f"{case}_crop_image"])


@pytest.mark.parametrize("case", CASES)
def test_images_and_labels_of_the_recipe_equal_those_of_mmsegmentation(case: str) -> None:
    draws = read_draws(case)
    ((_, number),) = draws["flip"]
    flipped = RandomFlip(0.5).apply(resize_and_crop(case), number < 0.5)
    found = ColorJitter().apply(flipped, read_jitter(draws["jitter"]))
    assert_equal_to_a_grey_level(found.image, GOLDEN[f"{case}_jitter_image"])
    height, width = found.size_hw
    expected = GOLDEN[f"{case}_labels"]
    np.testing.assert_array_equal(found.labels, expected[:height, :width])
    assert (expected[height:] == 255).all()
    assert (expected[:, width:] == 255).all()


def test_the_golden_cases_have_all_kinds_of_crops_and_flips() -> None:
    draws = [read_draws(case) for case in CASES]
    assert {len(each["crop"]) // 2 for each in draws} >= {1, 2, 11}
    assert {each["flip"][0][1] < 0.5 for each in draws} == {True, False}


def test_color_jitter_equals_that_of_mmsegmentation() -> None:
    colors = GOLDEN["jitter_colors"]
    cases = json.loads(str(GOLDEN["jitter_draws"]))
    sample = Sample(colors, np.zeros(colors.shape[:2], np.uint8))
    for draws, expected in zip(cases, GOLDEN["jitter_images"], strict=True):
        found = ColorJitter().apply(sample, read_jitter(draws))
        assert_equal_to_a_grey_level(found.image, expected)


def test_jitter_changes_each_property_half_of_the_time_and_within_its_range() -> None:
    jitter = ColorJitter(brightness=10, contrast=(0.9, 1.2), saturation=(0.8, 1.1), hue=3)
    sample = read_scene(CASES[0])
    rng = np.random.default_rng(0)
    params = [jitter.draw(sample, rng) for _ in range(2000)]
    ranges = {"brightness": (-10, 10), "contrast": (0.9, 1.2), "saturation": (0.8, 1.1)}
    for name, (low, high) in (ranges | {"hue": (-3, 2)}).items():
        values = [value for each in params if (value := getattr(each, name)) is not None]
        assert 900 < len(values) < 1100, name
        margin = (high - low) / 20
        assert low <= min(values) < low + margin, name
        assert high - margin < max(values) <= high, name
    assert 900 < sum(each.contrast_last for each in params) < 1100


def test_jitter_with_ranges_of_no_change_keeps_the_image() -> None:
    jitter = ColorJitter(brightness=0, contrast=(1, 1), saturation=(1, 1), hue=0)
    grey = Sample(np.full((4, 4, 3), 77, np.uint8), np.zeros((4, 4), np.uint8))
    rng = np.random.default_rng(0)
    for _ in range(20):
        np.testing.assert_array_equal(jitter(grey, rng).image, grey.image)


def test_resize_draws_ratios_of_the_whole_range() -> None:
    resize, rng = RandomResize((90, 160), (0.5, 2.0)), np.random.default_rng(0)
    ratios = [resize.draw(read_scene(CASES[0]), rng) for _ in range(1000)]
    assert 0.5 <= min(ratios) < 0.51
    assert 1.99 < max(ratios) <= 2.0
    assert abs(np.mean(ratios) - 1.25) < 0.05


def test_a_portrait_image_fits_the_size_of_a_landscape_one() -> None:
    sample = Sample(np.zeros((160, 90, 3), np.uint8), np.zeros((160, 90), np.uint8))
    assert RandomResize((45, 80)).apply(sample, 1.0).size_hw == (80, 45)


def test_crops_are_drawn_from_all_places_of_the_image() -> None:
    crop, rng = RandomCrop((88, 160)), np.random.default_rng(0)
    places = [crop.draw(read_scene(CASES[0]), rng) for _ in range(100)]
    assert {place for (place,) in places} == {(0, 0), (1, 0), (2, 0)}


def test_ignored_pixels_do_not_count_as_a_class() -> None:
    labels = np.full((10, 40), 255, np.uint8)
    labels[:, :10] = 0  # one class and ignored pixels: too much of one class
    labels[:, 20:30] = [0, 1] * 5  # half of each
    sample = Sample(np.zeros((10, 40, 3), np.uint8), labels)
    crop = RandomCrop((10, 20), max_class_share=0.75)
    places = ((0, 0), (0, 19), (0, 5))
    np.testing.assert_array_equal(crop.apply(sample, places).labels, labels[:, 19:39])


def test_the_recipe_gives_the_same_sample_for_the_same_random_state() -> None:
    transform = build_transforms(RECIPE, CROP_HW)
    sample = read_scene(CASES[0])
    first, second, other = (transform(sample, np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.size_hw == CROP_HW
    assert not np.array_equal(first.image, other.image)


def test_transforms_leave_their_sample_as_it_is() -> None:
    sample = read_scene(CASES[0])
    image, labels = sample.image.copy(), sample.labels.copy()
    transform = build_transforms(RECIPE, CROP_HW)
    for seed in range(8):
        transform(sample, np.random.default_rng(seed))
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.labels, labels)


def test_a_transform_without_a_crop_size_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Darken:
        def __init__(self, levels: int) -> None:
            self.levels = levels

        def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG002
            return Sample(sample.image // np.uint8(self.levels), sample.labels)

    kind: type[Transform] = Darken
    monkeypatch.setitem(TRANSFORMS._loaded, "darken", kind)
    sample = read_scene(CASES[0])
    found = build_transforms([{"name": "darken", "levels": 2}], CROP_HW)(
        sample, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(found.image, sample.image // 2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "cropp"}, "There is no transform named 'cropp'. Did you mean crop"),
        ({"max_class_share": 0.75}, r"transforms\[0\].name is None, .* Known transforms: color_ji"),
        (
            {"name": "crop", "max_class_share": 2},
            r"transforms\[0\] \(crop\).max_class_share is 2: expected `float` <= 1.0",
        ),
        ({"name": "crop", "max_share": 1}, r"max_share is not a known key. .*: max_class_share\."),
        ({"name": "resize"}, r"transforms\[0\] \(resize\).size_hw is missing"),
        (
            {"name": "resize", "size_hw": [90, 160], "ratio_range": [2.0, 0.5]},
            r"\(resize\).ratio_range is \[2.0, 0.5\]. Give the lower number first",
        ),
        ({"name": "resize", "size_hw": [90, 160], "ratio_range": [0, 1]}, "ratio_range is"),
        ({"name": "flip", "probability": -0.5}, r"\(flip\).probability is -0.5"),
        ({"name": "color_jitter", "hue": 100}, r"\(color_jitter\).hue is 100"),
    ],
)
def test_an_option_that_does_not_fit_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(BddsegError, match=message):
        build_transforms([table], CROP_HW)

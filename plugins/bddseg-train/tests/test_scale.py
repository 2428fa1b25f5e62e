"""The scale of training: recipes that ship fit their models, and others are noted."""

from typing import Any

import msgspec
import pytest
from bddseg_train.recipe import Recipe, find_recipe, list_recipes
from bddseg_train.scale import describe_scale

from bddseg.zoo.catalog import find_entry

FRAME_HW = (720, 1280)


def describe(recipe: Recipe, **preprocessing: Any) -> list[str]:
    spec = msgspec.structs.replace(find_entry(recipe.model).preprocessing, **preprocessing)
    return describe_scale(recipe, spec, FRAME_HW)


def change(*transforms: dict[str, Any]) -> Recipe:
    recipe = find_recipe("pspnet_r50-d8_512x1024_40k")
    return msgspec.structs.replace(recipe, transforms=transforms)


def test_recipes_that_ship_train_at_the_scale_of_inference() -> None:
    recipes = list_recipes()
    assert len(recipes) > 26
    assert {recipe.name: describe(recipe) for recipe in recipes if describe(recipe)} == {}


@pytest.mark.parametrize(
    ("size_hw", "ratio_range", "words"),
    [
        ([96, 171], [1.0, 1.0], "about 0.33 of the size that the model sees in inference (96x171,"),
        ([288, 512], [0.2, 0.6], "about 0.40 of the size"),
        ([288, 512], [2.0, 3.0], "about 2.50 of the size"),
        ([288, 512], [0.25, 1.0], ""),
    ],
)
def test_another_scale_than_that_of_inference_is_noted(
    size_hw: list[int], ratio_range: list[float], words: str
) -> None:
    recipe = change({"name": "resize", "size_hw": size_hw, "ratio_range": ratio_range})
    notes = describe(recipe, size_hw=(288, 512), keep_ratio=False)
    assert len(notes) == (words != "")
    assert words in " ".join(notes)


def test_without_resize_frames_are_trained_at_their_own_size() -> None:
    (note,) = describe(change({"name": "crop"}), size_hw=(288, 512), keep_ratio=False)
    assert "about 2.50 of the size that the model sees in inference (720x1280, 288x512)" in note


def test_of_a_padded_input_only_the_part_that_is_image_counts() -> None:
    recipe = change({"name": "resize", "size_hw": [180, 320]})
    # The image fills 360x640 of the input: the ratio is 0.5.
    assert describe(recipe, size_hw=(640, 640), pad_value=114.0) == []
    assert len(describe(recipe, size_hw=(640, 640), keep_ratio=False)) == 1


def test_nothing_is_known_of_the_transforms_of_other_packages() -> None:
    recipe = change({"name": "other"}, {"name": "resize", "size_hw": [96, 171]})
    assert describe(recipe, size_hw=(288, 512)) == []

"""The README of the plugin: its recipe can be run, and it lists the options of transforms."""

import inspect
import re
from pathlib import Path

import pytest
from bddseg_train.recipe import find_recipe
from bddseg_train.transforms import TRANSFORMS, build_transforms

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_recipe_can_be_run(tmp_path: Path) -> None:
    pytest.importorskip("bddseg_realtime")
    (text,) = re.findall(r"^```toml\n(.*?)^```$", README, re.M | re.S)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    recipe = find_recipe(path)
    build_transforms(recipe.transforms, recipe.crop_hw)
    assert recipe.data.train is not None


def test_the_table_of_transforms_has_their_options() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.M))
    listed = {name: re.findall(r"`(\w+)`", options) for name, options in rows.items()}
    names = TRANSFORMS.list_names()
    own = {name for name in names if TRANSFORMS.get_package(name) == "bddseg-train"}
    assert listed.keys() == own
    for name, options in listed.items():
        found = inspect.signature(TRANSFORMS.load(name)).parameters
        assert options == [option for option in found if option != "crop_hw"]

"""Recipes: those of the zoo and of the real-time networks, a user's own, and overrides."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bddseg_train.checks import check_recipe
from bddseg_train.recipe import Recipe, find_recipe, format_recipe, list_recipes
from bddseg_train.recipes import REALTIME, ZOO

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.zoo.catalog import find_entry

GOLDEN = Path(__file__).with_name("golden") / "zoo.json"
PSPNET = "pspnet_r50-d8_512x1024_40k"
BACKBONES = {"r50-d8": "resnet50_v1c", "r101-d8": "resnet101_v1c", "hr48": "hrnetv2_w48"}


def describe_published(model: str, published: dict[str, Any]) -> dict[str, Any]:
    """Return what the recipe of a model has to contain, from its published configuration."""
    width, height = published["scale_wh"]
    assert (published["optimizer"]["type"], published["lr"]["policy"]) == ("SGD", "poly")
    assert published["photometric_distortion"]
    return {
        "name": model.removesuffix("_drivable_bdd100k"),
        "model": model,
        "init": f"backbone:{BACKBONES[model.split('_')[1]]}",
        "frozen": (),
        "crop_hw": tuple(published["crop_hw"]),
        "transforms": (
            {
                "name": "resize",
                "size_hw": [height, width],
                "ratio_range": published["ratio_range"],
            },
            {"name": "crop", "max_class_share": published["cat_max_ratio"]},
            {"name": "flip", "probability": published["flip"]},
            {"name": "color_jitter"},
        ),
        "loss": {"name": "cross_entropy", "options": {}, "auxiliary_weight": 0.4},
        "optimizer": {
            "name": "sgd",
            "lr": published["optimizer"]["lr"],
            "momentum": published["optimizer"]["momentum"],
            "weight_decay": published["optimizer"]["weight_decay"],
            "clip_norm": None,
        },
        "schedule": {
            "power": published["lr"]["power"],
            "min_lr": published["lr"]["min_lr"],
            "warmup": 0,
        },
        "iterations": published["iterations"],
        "batch_size": published["batch_per_gpu"] * published["gpus"],
        "ema_decay": None,
    }


def describe(recipe: Recipe) -> dict[str, Any]:
    table: dict[str, Any] = msgspec.to_builtins(recipe)
    others = ("description", "data", "evaluation", "seed")
    described = {key: value for key, value in table.items() if key not in others}
    return described | {"model": find_entry(recipe.model).name}


def list_zoo() -> list[Recipe]:
    return [recipe for recipe in list_recipes() if recipe.name[-3:] in ("40k", "80k")]


def test_the_zoos_recipes_are_those_of_its_26_published_configurations() -> None:
    published = json.loads(GOLDEN.read_text())
    assert len(published) == 26
    expected = [describe_published(model, config) for model, config in published.items()]
    assert [describe(recipe) for recipe in list_zoo()] == expected


def test_an_entry_and_its_recipe_say_the_same() -> None:
    for recipe in list_zoo():
        entry = find_entry(recipe.model)
        assert entry.training is not None
        assert entry.training.iterations == recipe.iterations
        assert entry.training.crop_hw == recipe.crop_hw
        assert entry.preprocessing.size_hw == tuple(recipe.transforms[0]["size_hw"])


def test_every_recipe_can_be_run() -> None:
    pytest.importorskip("bddseg_realtime")
    from bddseg_train.transforms import build_transforms

    from bddseg.models.losses import LOSSES
    from bddseg.models.options import call_with_options

    for recipe in map(find_recipe, [each.name for each in list_recipes()]):
        build_transforms(recipe.transforms, recipe.crop_hw)
        call_with_options(LOSSES.load(recipe.loss.name), recipe.loss.options, "loss.options")


def test_each_trainable_real_time_network_has_a_recipe() -> None:
    realtime = pytest.importorskip("bddseg_realtime")
    from bddseg.zoo.catalog import read_catalog

    trainable = {entry.name for entry in read_catalog(realtime.CATALOG) if entry.architecture}
    assert trainable <= {recipe.name for recipe in list_recipes()}


def test_a_recipe_has_also_the_long_name_of_its_model() -> None:
    assert find_recipe(f"{PSPNET}_drivable_bdd100k") == find_recipe(PSPNET)


@pytest.mark.parametrize("path", [ZOO, REALTIME])
def test_a_formatted_recipe_is_read_as_the_same(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("bddseg_realtime")
    name = "pspnet_r50-d8_512x1024_40k" if path == ZOO else "twinlitenetplus_nano"
    pairs = "data.train={images = 'pairs.txt', labels = ''}"
    recipe = find_recipe(name, [pairs, "data.limit=3", "optimizer.clip_norm=1", "init="])
    (tmp_path / "mine.toml").write_text(format_recipe(recipe))
    assert find_recipe(tmp_path / "mine.toml") == recipe


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


OWN = f"""
extends = "{PSPNET}"
init = "weights/start.pth"
iterations = 100
optimizer.lr = 0.001
[data]
root = "bdd100k"
validation = {{ images = "val/*.png", labels = "/labels" }}
"""


def test_an_own_recipe_extends_a_listed_one_and_has_paths_relative_to_its_file(
    tmp_path: Path,
) -> None:
    start = tmp_path / "weights" / "start.pth"
    start.parent.mkdir()
    start.touch()
    recipe, listed = find_recipe(write(tmp_path, OWN)), find_recipe(PSPNET)
    assert (recipe.name, recipe.description, recipe.iterations) == ("mine", "", 100)
    assert (recipe.init, recipe.data.root) == (str(start), str(tmp_path / "bdd100k"))
    assert recipe.data.validation is not None
    assert recipe.data.validation.images == str(tmp_path / "val" / "*.png")
    assert recipe.data.validation.labels == "/labels"
    assert (recipe.optimizer.lr, recipe.optimizer.momentum) == (0.001, 0.9)
    assert recipe.transforms == listed.transforms


def test_an_own_recipe_needs_no_other(tmp_path: Path) -> None:
    text = 'model = "demo"\ncrop_hw = [64, 64]\noptimizer.lr = 0.1\n'
    path = write(tmp_path, text + "iterations = 5\nbatch_size = 2\n")
    assert find_recipe(str(path)).model == "demo"


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = find_recipe(write(tmp_path, f'extends = "{PSPNET}"\ndata.root = "~/data"\n'))
    assert recipe.data.root == str(tmp_path / "data")


def test_settings_replace_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [
        "optimizer.lr=0.005",
        "optimizer.name=adamw",
        "iterations = 80_000",
        "crop_hw=[256, 512]",
        "init=",
        "data.root=bdd 100k",
        'data.train={images = "a", labels = "/b"}',
        "loss={name = 'cross_entropy', options.class_weights = [1.0, 2.0, 1.0]}",
    ]
    recipe = find_recipe(PSPNET, settings)
    assert (recipe.optimizer.lr, recipe.optimizer.name) == (0.005, "adamw")
    assert (recipe.iterations, recipe.crop_hw, recipe.init) == (80_000, (256, 512), "")
    assert recipe.data.root == str(tmp_path / "bdd 100k")
    assert recipe.data.train is not None
    assert (recipe.data.train.images, recipe.data.train.labels) == (str(tmp_path / "a"), "/b")
    assert recipe.loss.options == {"class_weights": [1.0, 2.0, 1.0]}
    assert recipe.loss.auxiliary_weight == 0.4


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("optimizer.lr=0", "optimizer.lr"),
        ("optimizer.lr=inf", "optimizer.lr is inf, not a finite number"),
        ("optimizer.lr=nan", "optimizer.lr"),
        ("optimizer.lr=fast", "Expected `float`, got `str` - at `optimizer.lr`"),
        ("optimizer.lrr=1", "unknown field `lrr` - at `optimizer`. Did you mean optimizer.lr?"),
        ("lr=1", "unknown field `lr`. Did you mean optimizer.lr?"),
        ("optimizer.iterations=1", "Did you mean iterations?"),
        ("optimizer.momentum=1", "optimizer.momentum is 1"),
        ("optimizer=7", "at `optimizer`"),
        ("iterations.x=7", "at `iterations`"),
        ("schedule.warmup=40_000", "schedule.warmup 40000 is not below iterations 40000"),
        ("schedule.min_lr=0.02", "schedule.min_lr 0.02 is above optimizer.lr 0.01"),
        ("schedule.power=nan", "schedule.power"),
        ("batch_size=1", "batch_size is 1, and batch normalisation needs 2"),
        ("ema_decay=1", "ema_decay is 1"),
        ("crop_hw=[16, 512]", "crop_hw is [16, 512], and has to be 32 or more"),
        ("crop_hw=[1441, 64]", "larger than all images, which the transform resize makes [1440,"),
        ("model=pspnet", "no model named 'pspnet'. Did you mean"),
        ("init=zoo:pspnet", "no model named 'pspnet'"),
        ("init=backbone:resnet50", "no backbone named 'resnet50'. Did you mean resnet50_v1c"),
        ("init=nowhere.pth", "nowhere.pth for the initial weights"),
        ("loss.name=ce", "no loss named 'ce'"),
        ("transforms=[{name = 'flop'}]", "no transform named 'flop'. Did you mean flip"),
        ("transforms=[{}]", "transforms[0] has no name"),
        ("transforms=flip", "at `transforms`"),
        ("data.train.images=x", "missing required field `labels` - at `data.train`"),
        ("data=7", "at `data`"),
        ("iterations", "--set iterations is not KEY=VALUE"),
        ("=3", "--set =3 is not KEY=VALUE"),
        (f"loss.options.{'.'.join('a' * 3000)}=1", "is not KEY=VALUE"),
    ],
)
def test_a_setting_that_does_not_fit_is_an_error_that_names_recipe_and_key(
    setting: str, words: str
) -> None:
    with pytest.raises(BddsegError) as caught:
        find_recipe(PSPNET, [setting])
    assert words in str(caught.value)
    assert f"--set {setting}" in str(caught.value)


WARMED = f"""
extends = "{PSPNET}"
iterations = 1000
schedule.warmup = 100
"""


def test_an_inherited_warmup_is_shortened_with_a_warning_and_ones_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = find_recipe(PSPNET)
    warmed = msgspec.structs.replace(
        listed, iterations=4000, schedule=msgspec.structs.replace(listed.schedule, warmup=300)
    )
    monkeypatch.setattr("bddseg_train.recipe.list_recipes", lambda: [warmed])
    assert find_recipe(PSPNET, ["iterations=301"]).schedule.warmup == 300
    with pytest.warns(BddsegWarning, match="warmup is 1 instead of 300.* 20 instead of 4000"):
        assert find_recipe(PSPNET, ["iterations=20"]).schedule.warmup == 1
    short = write(tmp_path, f'extends = "{PSPNET}"\niterations = 200\n')
    with pytest.warns(BddsegWarning, match="warmup is 15 instead of 300"):
        assert find_recipe(short).schedule.warmup == 15
    for name, settings in (
        (PSPNET, ["iterations=20", "schedule.warmup=20"]),
        (write(tmp_path, WARMED), ["iterations=20"]),
    ):
        with pytest.raises(BddsegError, match=r"schedule\.warmup \d+ is not below iterations 20"):
            find_recipe(name, settings)


def test_a_rate_of_0_is_refused_where_tiny_numbers_are_rounded_to_0() -> None:
    recipe = find_recipe(PSPNET, ["schedule.min_lr=0"])
    for key in ("lr", "clip_norm"):
        # As msgspec accepts it then.
        optimizer = msgspec.structs.replace(recipe.optimizer, **{key: 0.0})
        with pytest.raises(BddsegError, match=rf"here: optimizer\.{key} is 0.0"):
            check_recipe(msgspec.structs.replace(recipe, optimizer=optimizer), "here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "pspnet"', "extends: There is no recipe named 'pspnet'"),
        ("extends = 7", "extends is 7"),
        (f'extends = "{PSPNET}"\niteration = 3', "Did you mean iterations?"),
        (f'extends = "{PSPNET}"\nname = "../x"', "name"),
        (f'extends = "{PSPNET}"\nschedule.warmup = 90_000', "schedule.warmup"),
        ('model = "demo"', "missing required field `crop_hw`"),
        ("[[recipe]]", "`recipe`"),
        ("no toml", "not valid TOML"),
    ],
)
def test_an_error_in_an_own_recipe_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BddsegError) as caught:
        find_recipe(write(tmp_path, text))
    assert words in str(caught.value)
    assert "mine.toml" in caught.value.message


def test_an_unknown_recipe_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(BddsegError, match=f"named 'pspnet_r50'. Did you mean.*{PSPNET}"):
        find_recipe("pspnet_r50")
    with pytest.raises(BddsegError, match=r"nowhere\.toml cannot be read"):
        find_recipe("nowhere.toml")


def test_a_network_in_an_onnx_file_cannot_be_trained() -> None:
    pytest.importorskip("bddseg_realtime")
    with pytest.raises(BddsegError, match="yolop_640x640 cannot be trained"):
        find_recipe(PSPNET, ["model=yolop_640x640"])

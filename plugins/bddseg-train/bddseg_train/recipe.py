"""A recipe: everything that decides what a training run computes, as data; and finding one."""

import json
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from bddseg.errors import BddsegError, BddsegWarning, unknown_name
from bddseg.io.toml import check_depth, convert, format_toml, merge, read_tables, read_toml
from bddseg.registry import Registry, read_files, require_toml_path
from bddseg.specs import Name, Size, SizeHW
from bddseg_train.checks import check_recipe

RECIPES: Registry[str | Path] = Registry(
    "bddseg.recipes", "list of recipes", check=require_toml_path
)
_HINT = "Correct that key. `bddseg train --show RECIPE` shows all keys of a recipe."
_SUFFIX = "_drivable_bdd100k"
# Keys of the table `data` that hold paths.
_PATHS = ("root", "train", "validation", "teacher")

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table: unknown keys are errors."""


class Split(_Table, frozen=True, kw_only=True):
    """Frames and their ground truth.

    Attributes:
        images: An image, a folder, a glob pattern or a list file, as `bddseg infer` takes them.
        labels: A folder of masks or colormaps, or Scalabel JSON; empty if `images` is a text file
            with a pair on each line: image, tab, label file.
    """

    images: str
    labels: str


class Data(_Table, frozen=True, kw_only=True):
    """What is trained on, and what is evaluated on.

    Attributes:
        root: A folder in BDD100K's layout (`images/100k/train`, `labels/drivable/masks/train`, and
            `val`), or with `train/images`, `train/masks`, and `val`, or with `images` and `masks`
            alone; used for the splits that are not given.
        train: Frames to train on.
        validation: Frames to evaluate on; none where there are none.
        limit: Use only the first so many training frames.
        teacher: Masks that another model made of the training frames, best the output folder of
            `bddseg infer`: each frame is trained on twice, with its labels and with this mask.
            That is distillation: masks of a better model are smoother than labels.
        encoding: Encoding of label files, "current", "legacy" or "color"; "auto" detects it on a
            sample.
    """

    root: str = ""
    train: Split | None = None
    validation: Split | None = None
    limit: Size | None = None
    teacher: str = ""
    encoding: Literal["auto", "current", "legacy", "color"] = "auto"


class Loss(_Table, frozen=True, kw_only=True):
    """What is minimised.

    Attributes:
        name: Name in the registry of losses.
        options: Keywords of the loss.
        auxiliary_weight: Weight of the auxiliary head's loss; the decode head's is 1.
    """

    name: Name = "cross_entropy"
    options: dict[str, Any] = {}
    auxiliary_weight: Annotated[float, msgspec.Meta(ge=0)] = 0.4


class Optimizer(_Table, frozen=True, kw_only=True):
    """How parameters follow gradients.

    Attributes:
        name: "sgd" or "adamw".
        lr: Learning rate at the start of the schedule.
        momentum: Momentum of SGD; of AdamW, the first of its betas.
        weight_decay: Weight decay, of all parameters.
        clip_norm: Gradients of a larger L2 norm are scaled down to it.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Positive
    momentum: Share = 0.9
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    clip_norm: Positive | None = None


class Schedule(_Table, frozen=True, kw_only=True):
    """How the learning rate falls: (lr - min_lr) * (1 - step / iterations) ** power + min_lr.

    Attributes:
        power: Exponent; 1 is linear.
        min_lr: Learning rate at the end.
        warmup: The rate rises linearly over so many iterations first.
    """

    power: Annotated[float, msgspec.Meta(ge=0)] = 0.9
    min_lr: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    warmup: Annotated[int, msgspec.Meta(ge=0)] = 0


class Evaluation(_Table, frozen=True, kw_only=True):
    """How often the network is scored on the validation frames.

    Attributes:
        interval: Iterations between two evaluations.
        limit: Score only the first so many frames.
        examples: Number of frames whose overlays are kept of each evaluation.
    """

    interval: Size = 4000
    limit: Size | None = None
    examples: Annotated[int, msgspec.Meta(ge=0)] = 4


class Recipe(_Table, frozen=True, kw_only=True):
    """Everything that decides what a training run computes.

    Attributes:
        name: Name of the recipe, and of the model that it trains.
        description: One line, for lists.
        model: Model of the zoo, or an entry's TOML file: its network, task and preprocessing.
        init: Initial weights: nothing for random ones, "zoo:NAME" for a model's, "backbone:NAME"
            for an ImageNet backbone (resnet50_v1c, resnet101_v1c, hrnetv2_w48), or a checkpoint
            file.
        frozen: Parts of the network that keep their initial weights and the statistics of their
            norms, such as ["backbone.stem", "backbone.stages.0"].
        data: Frames and labels.
        transforms: Steps from a frame to an input, in this order: of each, `name` in the registry
            of transforms, and its options.
        crop_hw: Size of the inputs; smaller images are padded, at the right and below.
        loss: What is minimised.
        optimizer: How parameters follow gradients.
        schedule: How the learning rate falls.
        iterations: Number of optimizer steps.
        batch_size: Number of images of a step, over all devices.
        ema_decay: Also keep an average of the weights, to which each step adds a share of
            1 - ema_decay; it is evaluated too.
        evaluation: How often the network is scored.
        seed: Seed of initial weights, data order, transforms and dropout.
    """

    name: Name
    description: str = ""
    model: str
    init: str = ""
    frozen: tuple[str, ...] = ()
    data: Data = Data()
    transforms: tuple[dict[str, Any], ...] = ()
    crop_hw: SizeHW
    loss: Loss = Loss()
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    iterations: Size
    batch_size: Size
    ema_decay: Share | None = None
    evaluation: Evaluation = Evaluation()
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def read_recipes(path: Path) -> list[Recipe]:
    """Return the recipes in a file: its `[[recipe]]` tables, see `read_tables`.

    Raises:
        BddsegError: the file or one of its recipes is invalid; the message names file and key.
    """
    return [
        convert(_resolve_paths(table.content, path.parent), Recipe, table.origin, _HINT)
        for table in read_tables(path, "recipe", _HINT)
    ]


def list_recipes() -> list[Recipe]:
    """Return the recipes of all packages, each in the order of its file.

    A file that does not load and a recipe with a used name are ignored, with a warning.
    """
    return read_files(RECIPES, read_recipes, "recipe")


class FoundRecipe(NamedTuple):
    """A recipe, whose keys may not fit together.

    Attributes:
        recipe: The recipe.
        origin: Where it is from, for errors.
    """

    recipe: Recipe
    origin: str


def find_recipe(name: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """Return a recipe that can be run, as soon as there are data; see `read_recipe`.

    Raises:
        BddsegError: there is no such recipe, it is invalid, or its keys do not fit together.
    """
    recipe, origin = read_recipe(name, settings)
    check_recipe(recipe, origin)
    return recipe


def read_recipe(name: str | Path, settings: Sequence[str] = ()) -> FoundRecipe:
    """Return a recipe; `check_recipe` tells whether it can be run.

    Args:
        name: Name of a recipe, or a TOML file. That holds one recipe, and inherits from a listed
            one with `extends = "NAME"`; its paths are relative to the file.
        settings: Keys and values that replace others, such as "optimizer.lr=0.005"; the value is
            TOML, or text as it is. Paths are relative to the current folder.

    Raises:
        BddsegError: there is no such recipe, or a key is unknown or has a value of another type.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        origin = str(name)
        inherited, own = _read_own(Path(name))
    else:
        origin = f"recipe {name}"
        inherited, own = msgspec.to_builtins(_find_listed(name)), {}
    if settings:
        origin += f" with --set {', '.join(settings)}"
    for setting in settings:
        own = merge(own, _resolve_paths(_parse_setting(setting), Path.cwd()))
    recipe = convert(merge(inherited, own), Recipe, origin, _HINT)
    if "warmup" not in own.get("schedule", {}):
        recipe = _shorten_warmup(recipe, inherited)
    return FoundRecipe(recipe, origin)


def _shorten_warmup(recipe: Recipe, inherited: Mapping[str, Any]) -> Recipe:
    """Return a recipe whose warmup, which another one planned for more iterations, fits."""
    warmup, iterations = recipe.schedule.warmup, recipe.iterations
    if warmup < iterations:
        return recipe
    shorter = warmup * iterations // inherited["iterations"]
    warnings.warn(
        f"schedule.warmup is {shorter} instead of {warmup}, in proportion to iterations: "
        f"{iterations} instead of {inherited['iterations']}.",
        BddsegWarning,
        stacklevel=2,
    )
    schedule = msgspec.structs.replace(recipe.schedule, warmup=shorter)
    return msgspec.structs.replace(recipe, schedule=schedule)


def format_recipe(recipe: Recipe) -> str:
    """Return the TOML of a recipe, for `find_recipe`."""
    return format_toml(recipe, with_empty=True)


def _find_listed(name: str) -> Recipe:
    recipes = {recipe.name: recipe for recipe in list_recipes()}
    short = name.removesuffix(_SUFFIX)
    if short not in recipes:
        hint = "`bddseg train --list` shows all recipes; a recipe of your own is a file NAME.toml."
        raise unknown_name("recipe", name, recipes, hint)
    return recipes[short]


def _read_own(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a user's own file inherits, and its own table."""
    own = _resolve_paths(read_toml(path), path.parent)
    base = own.pop("extends", None)
    if base is None:
        return {"name": path.stem}, own
    if not isinstance(base, str):
        raise BddsegError(f"{path}: extends is {base!r}, not the name of a recipe.", _HINT)
    try:
        inherited = msgspec.to_builtins(_find_listed(base))
    except BddsegError as error:
        raise BddsegError(f"{path}, extends: {error.message}", error.hint) from error
    return inherited | {"name": path.stem, "description": ""}, own


def _parse_setting(setting: str) -> dict[str, Any]:
    """Return the table of a setting, such as {"optimizer": {"lr": 0.005}}."""
    key, equals, text = setting.partition("=")
    values = (text, json.dumps(text.strip(), ensure_ascii=False))
    for value in values if equals else ():
        try:
            table = tomllib.loads(f"{key}={value}")
            check_depth(table)
            return table
        # It is not TOML, or nested too deeply.
        except (ValueError, RecursionError):
            continue
    raise BddsegError(
        f"--set {setting} is not KEY=VALUE.", "Give a key of a recipe: --set optimizer.lr=0.005"
    )


def _resolve_paths(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the table of a recipe with absolute paths; values of other types stay."""
    resolve = partial(_resolve, folder=folder.absolute())
    resolved = dict(table)
    data = table.get("data")
    if isinstance(data, Mapping):
        resolved["data"] = {
            key: resolve(value) if key in _PATHS else value for key, value in data.items()
        }
    model, init = table.get("model"), table.get("init")
    if isinstance(model, str) and model.endswith(".toml"):
        resolved["model"] = resolve(model)
    if isinstance(init, str) and not init.startswith(("zoo:", "backbone:")):
        resolved["init"] = resolve(init)
    return resolved


def _resolve(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolve(item, folder) for key, item in value.items()}
    if not isinstance(value, str) or not value:
        return value
    return str(Path.home() / value[2:] if value.startswith("~/") else folder / value)

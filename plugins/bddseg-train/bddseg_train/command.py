"""`bddseg train`: train a model by a recipe."""

import json
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bddseg.cli.console import show, show_json, show_next, show_note
from bddseg.cli.options import (
    INPUT,
    MODEL,
    OUTPUT,
    PERFORMANCE,
    PRECISION,
    AsJson,
    Compile,
    Device,
    NetworkThreads,
    Overwrite,
    number,
    option,
)
from bddseg.cli.table import make_table
from bddseg.errors import BddsegError

if TYPE_CHECKING:
    from bddseg_train.options import TrainOptions
    from bddseg_train.recipe import Recipe
    from bddseg_train.record import TrainingRecord

_DATA = (
    "Folder of the training data: BDD100K's, or one with images and masks, or with these in train "
    "and val."
)
_SET = "Replace a value of the recipe, as in optimizer.lr=0.005; repeat it for several."
_SHOW = "Print RECIPE as TOML, to start your own from."
_INIT = (
    "Initial weights: zoo:MODEL, backbone:NAME (resnet50_v1c, resnet101_v1c, hrnetv2_w48), a "
    'checkpoint, or "" for random ones.'
)
_IMAGES = (
    "Images of a device at a time; gradients are accumulated to the recipe's batch. By default its "
    "share of the batch."
)
_WORKERS = "Processes that read and transform frames, for each device."


def _complete(incomplete: str) -> list[str]:
    from bddseg_train.recipe import list_recipes

    with warnings.catch_warnings():
        # Warnings about broken plugins would be printed into a command line being completed.
        warnings.simplefilter("ignore")
        recipes = list_recipes()
    return [recipe.name for recipe in recipes if recipe.name.startswith(incomplete)]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe of `bddseg train --list`, or a TOML file.",
            autocompletion=_complete,
        ),
    ] = None,
    out: Annotated[
        Path | None, option("--out -o", "Folder for the results.", OUTPUT, show_default=False)
    ] = None,
    list_only: Annotated[bool, option("--list", "List the recipes.", MODEL)] = False,
    show_only: Annotated[bool, option("--show", _SHOW, MODEL)] = False,
    data: Annotated[Path | None, option("--data", _DATA, INPUT, metavar="DIR")] = None,
    settings: Annotated[list[str] | None, option("--set", _SET, MODEL, metavar="KEY=VALUE")] = None,
    init: Annotated[str | None, option("--init", _INIT, MODEL, metavar="WEIGHTS")] = None,
    tensorboard: Annotated[
        bool, option("--tensorboard", "Also write OUT/tensorboard.", OUTPUT)
    ] = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    gpus: Annotated[
        int | None, number("--gpus", "Processes, one for each GPU.", PERFORMANCE)
    ] = None,
    precision: Annotated[Literal["fp32", "bf16"], PRECISION] = "fp32",
    images_per_step: Annotated[
        int | None, number("--images-per-step", _IMAGES, PERFORMANCE)
    ] = None,
    workers: Annotated[int, number("--workers", _WORKERS, PERFORMANCE, min=0)] = 2,
    threads: NetworkThreads = None,
    compile_network: Compile = False,
    as_json: AsJson = False,
) -> None:
    """Train a model by a recipe, and score it on the validation frames.

    OUT/model.toml is then used as a model. The same command goes on with a run that was
    interrupted. On several machines, start it with torchrun.

    Examples:
      bddseg train --list
      bddseg train --show RECIPE
      bddseg train RECIPE --data bdd100k -o out --images-per-step 4
      bddseg train RECIPE --data frames -o out --set iterations=2000
    """
    if list_only:
        _show_recipes(as_json=as_json)
        return
    if recipe is None:
        raise typer.BadParameter("Give a recipe; --list shows all.", param_hint="RECIPE")
    if show_only:
        _show_recipe(
            _choose_recipe(recipe, settings or [], data, init, needs_data=False), as_json=as_json
        )
        return
    if out is None:
        raise typer.BadParameter("Give a folder for the results.", param_hint="--out / -o")
    if gpus and device not in ("auto", "cuda"):
        raise typer.BadParameter(f"--gpus excludes --device {device}.")
    chosen = _choose_recipe(recipe, settings or [], data, init, needs_data=True)
    from bddseg_train.options import TrainOptions

    options = TrainOptions(
        device="cuda" if gpus else device,
        precision=precision,
        images_per_step=images_per_step,
        num_workers=workers,
        num_threads=threads or 0,
        compile=compile_network,
        tensorboard=tensorboard,
        num_gpus=gpus or 1,
        overwrite=overwrite,
    )
    _run(chosen, out, options, as_json=as_json)


def _choose_recipe(
    name: str, settings: list[str], data: Path | None, init: str | None, *, needs_data: bool
) -> "Recipe":
    """Return the recipe, with what options say.

    Raises:
        BddsegError: it is invalid, or there are no data and they are needed.
    """
    import msgspec

    from bddseg_train.checks import check_recipe
    from bddseg_train.recipe import read_recipe

    own = [] if init is None else [f"init={json.dumps(init, ensure_ascii=False)}"]
    recipe, origin = read_recipe(name, [*settings, *own])
    if data is not None:
        own_data = msgspec.structs.replace(
            recipe.data, root=str(data.absolute()), train=None, validation=None
        )
        recipe = msgspec.structs.replace(recipe, data=own_data)
    check_recipe(recipe, origin, with_data=needs_data)
    return recipe


def _run(recipe: "Recipe", out: Path, options: "TrainOptions", *, as_json: bool) -> None:
    import msgspec

    from bddseg.inference.distributed.rank import read_rank_info

    info = read_rank_info()
    is_first = info is None or info.rank == 0
    if is_first:
        show_note(f"Loading PyTorch and the data of {recipe.name}, which takes some seconds.")
    # Last, because it imports torch: mistakes in names show at once.
    from bddseg_train.live import open_view
    from bddseg_train.run import run_training
    from bddseg_train.signals import catch_signals
    from bddseg_train.view import SilentView

    with catch_signals() as should_stop, open_view() as view:
        shown = view if is_first else SilentView()
        record = run_training(recipe, out, options, view=shown, should_stop=should_stop)
    if is_first and as_json:
        show_json({"recipe": recipe.name, "out": str(out)} | msgspec.to_builtins(record))
    elif is_first:
        show(_summarize(recipe, out, record))
        if record.model and record.step == record.iterations:
            _show_next(recipe, out, record.model)
    if record.step < record.iterations:
        if is_first:
            show_note("The same command goes on.")
        raise typer.Exit(should_stop.exit_code)


def _summarize(recipe: "Recipe", out: Path, record: "TrainingRecord") -> str:
    done = f"{record.step:,} of {record.iterations:,} steps of {recipe.name} done, in {out}."
    return f"{done} Best score: {record.best}." if record.best else done


def _show_next(recipe: "Recipe", out: Path, model: str) -> None:
    from bddseg.tasks.task import get_task
    from bddseg.zoo.catalog import find_entry
    from bddseg_train.data import find_frames

    # Training takes days: its data may be elsewhere now, which is no error.
    with suppress(BddsegError):
        train, validation, _ = find_frames(recipe.data, get_task(find_entry(recipe.model).task))
        split = validation or train
        # Without a source of labels, it is a list of pairs.
        if split.labels:
            show_next("bddseg", "infer", model, split.images, "-o", f"{out}-masks")


def _show_recipe(recipe: "Recipe", *, as_json: bool) -> None:
    import msgspec

    from bddseg_train.recipe import format_recipe

    if as_json:
        show_json(msgspec.to_builtins(recipe))
    else:
        show(format_recipe(recipe).rstrip())


def _show_recipes(*, as_json: bool) -> None:
    import msgspec

    from bddseg_train.recipe import list_recipes

    recipes = list_recipes()
    if as_json:
        show_json([msgspec.to_builtins(recipe) for recipe in recipes])
        return
    rows = [
        [
            recipe.name,
            f"{recipe.iterations:,}",
            "x".join(map(str, recipe.crop_hw)),
            str(recipe.batch_size),
            "ImageNet" if recipe.init.startswith("backbone:") else recipe.init or "random",
        ]
        for recipe in recipes
    ]
    headings = ["recipe", "iterations", "crop", "batch", "initial weights"]
    show(make_table(headings, rows, text=(0, 4)))

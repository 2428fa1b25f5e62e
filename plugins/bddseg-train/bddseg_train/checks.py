"""What a recipe's keys have to fulfil together, checked before a run starts."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from bddseg.errors import BddsegError, unknown_name
from bddseg.registry import Registry
from bddseg.tasks.task import get_task
from bddseg.zoo.catalog import find_entry
from bddseg_train.init import check_init

if TYPE_CHECKING:
    from bddseg_train.recipe import Recipe

_HINT = "Correct it in the file, or with --set."
# Networks divide the size of their input by 8 to 32.
_SMALLEST_CROP = 32


def check_recipe(recipe: "Recipe", origin: str, *, with_data: bool = False) -> None:
    """Check that a recipe's keys fit together, and that what it names exists.

    Args:
        recipe: The recipe.
        origin: Where it is from, for errors.
        with_data: Also check that there are frames to train on; none is opened.

    Raises:
        BddsegError: they do not; the message names the recipe and all keys.
    """
    found = _find_errors(recipe, with_data=with_data)
    # By message: several checks need the model.
    errors = list({error.message: error for error in found}.values())
    if len(errors) == 1:
        raise BddsegError(f"{origin}: {errors[0].message}", errors[0].hint or _HINT)
    if errors:
        raise BddsegError(f"{origin}:" + "".join(f"\n- {error}" for error in errors), _HINT)


def _find_errors(recipe: "Recipe", *, with_data: bool) -> Iterator[BddsegError]:
    yield from (BddsegError(f"{problem}.") for problem in _find_problems(recipe))
    for check in _list_checks(recipe, with_data=with_data):
        try:
            check()
        except BddsegError as error:
            yield error


def _find_problems(recipe: "Recipe") -> Iterator[str]:
    for key, value in _list_numbers(msgspec.to_builtins(recipe)):
        if not math.isfinite(value):
            yield f"{key} is {value}, not a finite number"
    optimizer, schedule = recipe.optimizer, recipe.schedule
    # Where a library lets the processor round tiny numbers to 0, msgspec takes 0 for `gt=0`.
    for key in ("lr", "clip_norm"):
        if getattr(optimizer, key) == 0:
            yield f"optimizer.{key} is 0.0, and has to be above 0"
    if optimizer.momentum == 1:
        yield "optimizer.momentum is 1, and has to be below"
    if schedule.min_lr > optimizer.lr:
        yield f"schedule.min_lr {schedule.min_lr} is above optimizer.lr {optimizer.lr}"
    if schedule.warmup >= recipe.iterations:
        yield f"schedule.warmup {schedule.warmup} is not below iterations {recipe.iterations}"
    if recipe.batch_size == 1:
        yield "batch_size is 1, and batch normalisation needs 2 images at least"
    if recipe.ema_decay == 1:
        yield "ema_decay is 1: the average would never change; 0.999 is usual"
    yield from _find_crop_problems(recipe)


def _find_crop_problems(recipe: "Recipe") -> Iterator[str]:
    crop_hw = recipe.crop_hw
    if min(crop_hw) < _SMALLEST_CROP:
        yield f"crop_hw is {[*crop_hw]}, and has to be {_SMALLEST_CROP} or more"
    for table in recipe.transforms:
        try:
            largest = max(table.get("ratio_range", (1.0,)))
            largest_hw = [math.ceil(edge * largest) for edge in table["size_hw"]]
            is_larger = any(crop > edge for crop, edge in zip(crop_hw, largest_hw, strict=True))
        # It is another transform, or has options of other types, which building it reports.
        except (KeyError, TypeError, ValueError):
            continue
        if table.get("name") == "resize" and is_larger:
            yield (
                f"crop_hw {[*crop_hw]} is larger than all images, which the transform resize makes "
                f"{largest_hw} at most"
            )


def _list_checks(recipe: "Recipe", *, with_data: bool) -> list[Callable[[], None]]:
    """Return checks of what a recipe names; each raises a BddsegError."""
    checks: list[Callable[[], None]] = [
        partial(_check_model, recipe.model),
        partial(check_init, recipe.init),
        # Names alone: the modules of losses import torch.
        partial(_check_name, "bddseg.losses", "loss", recipe.loss.name),
        *(
            partial(_check_transform, number, table)
            for number, table in enumerate(recipe.transforms)
        ),
    ]
    return [*checks, partial(_check_data, recipe)] if with_data else checks


def _check_model(model: str) -> None:
    entry = find_entry(model)
    if not entry.architecture:
        raise BddsegError(
            f"{entry.name} cannot be trained: its network is in an {entry.runtime} file.",
            "Use a model whose entry has an architecture: `bddseg zoo list --json`.",
        )


def _check_transform(number: int, table: Mapping[str, Any]) -> None:
    name = table.get("name")
    if not isinstance(name, str):
        raise BddsegError(
            f"transforms[{number}] has no name.", 'Give one, as in { name = "flip" }.'
        )
    _check_name("bddseg.transforms", "transform", name)


def _check_data(recipe: "Recipe") -> None:
    # Imported here: listing recipes needs no image libraries.
    from bddseg_train.data import find_frames

    if not recipe.data.root and recipe.data.train is None:
        raise BddsegError("It names no data.", "Give its folder: --data DIR")
    find_frames(recipe.data, get_task(find_entry(recipe.model).task))


def _check_name(group: str, kind: str, name: str) -> None:
    known = Registry[Any](group, kind).list_names()
    if name not in known:
        raise unknown_name(kind, name, known, f"Is the plugin that adds the {kind} installed?")


def _list_numbers(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers in a table and in those within it, each with its key."""
    for key, value in table.items():
        if isinstance(value, float):
            yield prefix + key, value
        elif isinstance(value, Mapping):
            yield from _list_numbers(value, f"{prefix}{key}.")

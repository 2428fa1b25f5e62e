"""What a training run leaves: a model that `bddseg infer` takes, and its model card."""

import hashlib
import platform
from collections.abc import Mapping

import msgspec
import torch
from safetensors.torch import save
from torch import Tensor

import bddseg
from bddseg.errors import quote
from bddseg.io.atomic import write_atomically
from bddseg.specs import Entry, Links, Training, Weights
from bddseg.zoo.catalog import format_entry
from bddseg_train.data import OpenedData
from bddseg_train.folder import RunFolder
from bddseg_train.recipe import Recipe, format_recipe
from bddseg_train.scored import Scored


def write_model(
    folder: RunFolder,
    recipe: Recipe,
    entry: Entry,
    weights: Mapping[str, Tensor],
    data: OpenedData,
    best: Scored | None,
) -> None:
    """Write the weights, the entry and the model card.

    The weights come first: at any moment, entry and weights fit together.

    Args:
        folder: Folder of the run.
        recipe: The recipe.
        entry: Entry of the network.
        weights: State dict.
        data: Frames.
        best: Scores of these weights on the validation frames, if there are some.
    """
    content = save({name: each.detach().cpu().contiguous() for name, each in weights.items()})
    write_atomically(folder.weights, content)
    write_atomically(folder.model, format_entry(_make_entry(folder, recipe, entry)).encode())
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(folder.card, _describe(folder, recipe, entry, data, best, digest).encode())


def _make_entry(folder: RunFolder, recipe: Recipe, entry: Entry) -> Entry:
    backbone = entry.training.backbone if entry.training else entry.architecture
    return msgspec.structs.replace(
        entry,
        # The published model has the recipe's name, and its weights are others.
        name=f"{recipe.name}_trained",
        description=recipe.description,
        weights=Weights(file=folder.weights.name),
        license="",
        training=Training(backbone=backbone, iterations=recipe.iterations, crop_hw=recipe.crop_hw),
        scores=None,
        links=Links(),
    )


def _describe(
    folder: RunFolder,
    recipe: Recipe,
    entry: Entry,
    data: OpenedData,
    best: Scored | None,
    digest: str,
) -> str:
    """Return the model card, Markdown."""
    return "\n".join(
        [
            f"# {recipe.name}",
            "",
            f"{entry.title}, trained for the task {entry.task} with `bddseg train`.",
            "",
            f"    bddseg infer {quote(folder.model)} FRAMES -o OUT",
            "",
            "## Scores",
            "",
            *_describe_scores(recipe, data, best),
            "",
            "## Data",
            "",
            f"{len(data.train):,} frames with ground truth. What is learned from data is subject "
            "to its licence: BDD100K's permits use for education, research and not-for-profit "
            "purposes, with its notice.",
            *(f"\n{note}" for note in data.notes),
            "",
            "## Recipe",
            "",
            "```toml",
            format_recipe(recipe).rstrip(),
            "```",
            "",
            "## Versions",
            "",
            f"bddseg {bddseg.__version__}, torch {torch.__version__}, Python "
            f"{platform.python_version()}; {folder.weights.name} has SHA-256 {digest}.",
            "",
        ]
    )


def _describe_scores(recipe: Recipe, data: OpenedData, best: Scored | None) -> list[str]:
    """Return the lines of the model card about scores."""
    if best is None or data.validation is None:
        return ["Not scored: there are no validation frames."]
    number = len(data.validation[: recipe.evaluation.limit])
    return [
        f"On {number:,} validation frames. The weights were chosen on the same frames: of all "
        f"evaluations of the run, the {best.origin} had the highest `{best.chosen_by}`. On other "
        "frames, expect lower scores.",
        "",
        "| score, percent | |",
        "|---|---|",
        *(f"| {name} | {value:.2f} |" for name, value in best.scores.items()),
    ]

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


def write_model(
    folder: RunFolder,
    recipe: Recipe,
    entry: Entry,
    weights: Mapping[str, Tensor],
    data: OpenedData,
    scores: Mapping[str, float],
) -> None:
    """Write the weights, the entry and the model card.

    The weights come first: at any moment, entry and weights fit together.

    Args:
        folder: Folder of the run.
        recipe: The recipe.
        entry: Entry of the network.
        weights: State dict.
        data: Frames.
        scores: Scores on the validation frames, in percent, by name; empty if there are none.
    """
    content = save({name: each.detach().cpu().contiguous() for name, each in weights.items()})
    write_atomically(folder.weights, content)
    write_atomically(folder.model, format_entry(_make_entry(folder, recipe, entry)).encode())
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(folder.card, _describe(folder, recipe, entry, data, scores, digest).encode())


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
    scores: Mapping[str, float],
    digest: str,
) -> str:
    """Return the model card, Markdown."""
    validation = f"{len(data.validation):,}" if data.validation else "no"
    score_lines = [f"| {name} | {value:.2f} |" for name, value in scores.items()]
    table = ["| score, percent | |", "|---|---|", *score_lines] if scores else ["Not scored."]
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
            f"On {validation} validation frames:",
            "",
            *table,
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

"""The folder of a training run: what is where, and which run it is of."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bddseg.errors import BddsegError, quote
from bddseg.io.atomic import write_atomically
from bddseg_train.recipe import Recipe, format_recipe, read_recipe


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a training run's files.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe, with all its overrides."""
        return self.path / "recipe.toml"

    @property
    def metrics(self) -> Path:
        """Loss, learning rate and scores: one JSON object in each line."""
        return self.path / "metrics.jsonl"

    @property
    def record(self) -> Path:
        """Where the run stands."""
        return self.path / "training.json"

    @property
    def last(self) -> Path:
        """The state from which the run goes on."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """The state after which the validation score was highest."""
        return self.path / "checkpoints" / "best.pt"

    @property
    def examples(self) -> Path:
        """Overlays of validation frames, in a folder for each evaluation."""
        return self.path / "examples"

    @property
    def tensorboard(self) -> Path:
        """Files for the program tensorboard."""
        return self.path / "tensorboard"

    @property
    def model(self) -> Path:
        """The trained model's entry, which `bddseg infer` takes as MODEL."""
        return self.path / "model.toml"

    @property
    def weights(self) -> Path:
        """The trained model's weights."""
        return self.path / "model.safetensors"

    @property
    def card(self) -> Path:
        """What the model was trained on, how, and how well it scores."""
        return self.path / "MODEL_CARD.md"

    def start(self, recipe: Recipe, *, overwrite: bool) -> None:
        """Write the recipe, or check that the run in the folder is of the same one.

        A start that failed, or was killed before its first checkpoint, binds nothing: whatever
        recipe comes next starts from the beginning.

        Args:
            recipe: The recipe.
            overwrite: Start again where the folder has a run.

        Raises:
            BddsegError: the folder has a run of another recipe, or files that are of no run.
        """
        if self.recipe.exists():
            if self._has_weights and not overwrite:
                self._check(recipe)
                return
            self._clear()
        elif self.path.exists() and any(each.name[0] != "." for each in self.path.iterdir()):
            raise BddsegError(
                f"{self.path} holds files that are not of a training run.",
                "Choose another folder with -o.",
            )
        write_atomically(self.recipe, format_recipe(recipe).encode())

    @property
    def _has_weights(self) -> bool:
        """Whether there is anything of a run that cannot be computed again at once."""
        folder = self.last.parent
        checkpoints = folder.iterdir() if folder.is_dir() else ()
        # Whatever their names: a user may have moved a damaged one aside. Hidden files are what a
        # process that was killed has written of one.
        has_checkpoint = any(each.name[0] != "." for each in checkpoints)
        return has_checkpoint or self.weights.exists()

    def _check(self, recipe: Recipe) -> None:
        differences = _list_differences(read_recipe(self.recipe).recipe, recipe)
        if differences:
            listed = "; ".join(f"{key} {values}" for key, values in differences.items())
            raise BddsegError(
                f"{self.path} holds a run of another recipe: {listed}.",
                f"Go on with the same recipe (bddseg train {quote(self.recipe)} -o "
                f"{quote(self.path)}), choose another folder with -o, or use --overwrite."
                f"{self._describe_longer() if 'iterations' in differences else ''}",
            )

    def _describe_longer(self) -> str:
        """Return how to train on: the learning rate of a run is planned for its iterations."""
        if not self.weights.exists():
            return ""
        return (
            " To train longer, start a new run from these weights in another folder: --init "
            f"{quote(self.weights)} -o OTHER"
        )

    def _clear(self) -> None:
        """Remove the files of a run, and nothing else."""
        for file in (self.metrics, self.record, self.model, self.weights, self.card):
            file.unlink(missing_ok=True)
        for folder in (self.last.parent, self.examples, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        self.recipe.unlink()

    def check_space(self, needed: int) -> None:
        """Check that so many bytes are free.

        Raises:
            BddsegError: they are not.
        """
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise BddsegError(
                f"{self.path} has {free >> 20:,} MB free, and checkpoints need "
                f"{needed >> 20:,} MB.",
                "Free space, or choose a folder on another disk with -o.",
            )


def _list_differences(old: Recipe, new: Recipe) -> dict[str, str]:
    """Return the keys that differ, each with both values in words."""
    before, after = (_flatten(msgspec.to_builtins(recipe)) for recipe in (old, new))
    return {
        key: f"is {before.get(key)!r} there and {after.get(key)!r} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat

"""Checkpoints of a training run: everything that the next step depends on.

The order of the data, the transforms and dropout are functions of the seed and the step alone, so
that a checkpoint needs no state of random generators, and a run that goes on from it computes what
an uninterrupted one does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.io.atomic import open_atomically
from bddseg_train.average import WeightAverage
from bddseg_train.scored import Scored

_FORMAT = 2


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """What changes from step to step.

    Attributes:
        network: The network.
        optimizer: Its optimizer.
        average: The running average of its weights, if the recipe keeps one.
        step: Number of steps that were done.
        best: Scores of the best weights so far, if there are validation frames.
        data: Identity of the training frames and of their order.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    step: int = 0
    best: Scored | None = None
    data: str = ""

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file is complete or the old one.

        Raises:
            BddsegError: it cannot be written.
        """
        content = {
            "format": _FORMAT,
            "step": self.step,
            "best": msgspec.to_builtins(self.best),
            "data": self.data,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state if self.average else None,
        }
        with open_atomically(path) as file:
            torch.save(content, file)

    def load(self, path: Path) -> None:
        """Take over the state in a checkpoint.

        Raises:
            BddsegError: the file is no checkpoint of this run.
        """
        content = _read(path)
        if content["data"] != self.data:
            raise BddsegError(
                f"{path} was trained on other frames than there are now.",
                "Restore the data, or start again with --overwrite.",
            )
        try:
            self.network.load_state_dict(content["network"])
            self.optimizer.load_state_dict(content["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise BddsegError(
                f"{path} is a checkpoint of another network ({str(error).splitlines()[0]}).",
                "Choose another folder with -o, or start again with --overwrite.",
            ) from error
        if self.average:
            self._load_average(content["average"], path)
        self.step = content["step"]
        self.best = msgspec.convert(content["best"], Scored | None)

    def _load_average(self, average: Mapping[str, Tensor] | None, path: Path) -> None:
        if self.average is None or average is None:
            raise BddsegError(f"{path} has no average of weights.", "Use --overwrite.")
        for name, value in average.items():
            self.average.state[name].copy_(value)

    @property
    def num_bytes(self) -> int:
        """About how large a checkpoint is."""
        network = sum(each.numel() * each.element_size() for each in _list_tensors(self.network))
        moments = 2 if isinstance(self.optimizer, torch.optim.AdamW) else 1
        return network * (1 + moments + (self.average is not None))


def _list_tensors(network: nn.Module) -> list[Tensor]:
    return [*network.state_dict().values()]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # What torch raises for a damaged file is not documented.
    except Exception as error:
        raise BddsegError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}).",
            "Remove it, and the run starts again; or restore it.",
        ) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise BddsegError(
            f"{path} is not a checkpoint of this version of `bddseg train`.",
            "Choose another folder with -o.",
        )
    return content

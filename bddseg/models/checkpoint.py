"""Checkpoints: read without running code that they contain, and loaded strictly."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.network import ConvertsStateDict
from bddseg.progress import pluralize

# Number of parameter names that an error lists; the rest are counted.
_LISTED = 6


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the parameters in a checkpoint file, by name, on the CPU.

    The file is in safetensors format or written by `torch.save`: a state dict alone, or OpenMMLab's
    `{"meta", "state_dict", "optimizer"}`. The prefix `module.`, which data-parallel training puts
    before every name, is removed.

    Raises:
        BddsegError: The file is missing, damaged or not a checkpoint, or reading it would run code.
    """
    if not path.is_file():
        raise BddsegError(f"There is no weights file {path}.", "Check the path after --weights.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not _is_state(state):
        raise BddsegError(
            f"{path} is not a checkpoint: it contains no state dict (tensors by name).",
            "Give the .pth or .safetensors file that training wrote.",
        )
    return _drop_prefix(state)


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a checkpoint file into a network: every name and shape must fit.

    Raises:
        BddsegError: As `read_checkpoint`; or parameters are missing, unexpected or misshapen:
            the error lists them, and the network is not changed.
    """
    state = read_checkpoint(path)
    if isinstance(network, ConvertsStateDict):
        state = network.convert_state_dict(state)
    own = network.state_dict()
    problems = _list_names("missing", [name for name in own if name not in state])
    problems += _list_names("unexpected", [name for name in state if name not in own])
    problems += _list_names(
        "misshapen",
        [
            f"{name} {_shape(state[name])} instead of {_shape(own[name])}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ],
    )
    if problems:
        raise BddsegError(
            f"{path} contains weights of another architecture. " + " ".join(problems),
            "Use weights of this model, or the model that they belong to (`bddseg zoo list`).",
        )
    network.load_state_dict(state)


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower() and "unsupported" not in str(error).lower():
            raise _damaged(path, error) from error
        raise BddsegError(
            f"{path} contains more than tensors and simple values. It was not read, because that "
            "could run code in it.",
            "Save its state dict alone: torch.save(model.state_dict(), 'weights.pth').",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> BddsegError:
    cause = str(error).strip().split("\n")[0]
    return BddsegError(
        f"{path} cannot be read as a checkpoint: {cause or type(error).__name__}.",
        "The file is damaged or not a checkpoint; download it again.",
    )


def _is_state(state: Mapping[Any, Any]) -> bool:
    return all(isinstance(key, str) and isinstance(state[key], Tensor) for key in state)


def _drop_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _list_names(kind: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return [f"{pluralize(len(names), f'{kind} parameter')}: {', '.join(names[:_LISTED])}{more}."]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"

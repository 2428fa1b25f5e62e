"""Checkpoints: read without running code that they contain, and loaded strictly."""

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.network import ConvertsStateDict
from bddseg.progress import pluralize

# Number of parameter names that an error lists; the rest are counted.
_LISTED = 6
_LONGEST_CAUSE = 120
# How many times larger than its file the content of an archive may be.
_LARGEST_EXPANSION = 10
# Eight bits hold scaled values, whose scale is elsewhere.
_SMALLEST_FLOAT_BYTES = 2


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the parameters in a checkpoint file, by name, on the CPU.

    The file is in safetensors format or written by `torch.save`: a state dict alone, OpenMMLab's
    `{"meta", "state_dict", "optimizer"}`, or a checkpoint of `bddseg train`. The prefix `module.`,
    which data-parallel training puts before every name, is removed.

    Raises:
        BddsegError: The file is missing, damaged or not a checkpoint, or reading it would run code.
    """
    if not path.is_file():
        what = f"{path} is not a file." if path.exists() else f"There is no weights file {path}."
        raise BddsegError(what, "Check the path after --weights.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    state = _get_state(content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not _is_state(state):
        raise BddsegError(
            f"{path} is not a checkpoint: it contains no state dict (tensors by name).",
            "Give the .pth or .safetensors file that training wrote.",
        )
    _refuse(path, {name: _find_unsupported(tensor) for name, tensor in state.items()})
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


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
    problems = list_names("missing", [name for name in own if name not in state])
    problems += list_names("unexpected", [name for name in state if name not in own])
    problems += list_names(
        "misshapen",
        [
            f"{name} {format_shape(state[name])} instead of {format_shape(own[name])}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ],
    )
    if problems:
        raise BddsegError(
            f"{path} contains weights of another architecture. " + " ".join(problems),
            "Use weights of this model, or the model that they belong to (`bddseg zoo list`).",
        )
    check_values(path, state, own)
    network.load_state_dict(state)


def check_values(path: Path, state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Check that the tensors of a checkpoint can replace a network's of the same names.

    Raises:
        BddsegError: one has another type, or contains NaN or infinity.
    """
    _refuse(path, {name: _find_unusable(state[name], own[name]) for name in own if name in state})


def _get_state(content: Mapping[Any, Any]) -> Any:
    """Return the state dict of the network in a checkpoint that can hold more."""
    inner = (content[key] for key in ("state_dict", "network") if key in content)
    return next(inner, content)


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except Exception as error:
        raise _damaged(path, error) from error


def _read_pickle(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except BddsegError:
        raise
    # What torch raises for a damaged file is not documented, and differs between files.
    except Exception as error:
        needs_code = any(word in str(error) for word in ("GLOBAL", "reduce for", "Can only create"))
        if not isinstance(error, pickle.UnpicklingError) or not needs_code:
            raise _damaged(path, error) from error
        raise BddsegError(
            f"{path} contains more than tensors and simple values. It was not read, because that "
            "could run code in it.",
            "Save its state dict alone: torch.save(model.state_dict(), 'weights.pth').",
        ) from error


def _check_archive(path: Path) -> None:
    """Check that an archive does not expand to much more than its size: `torch.save` packs none."""
    with zipfile.ZipFile(path) as archive:
        expanded = sum(info.file_size for info in archive.infolist())
    size = path.stat().st_size
    if expanded > _LARGEST_EXPANSION * size:
        raise BddsegError(
            f"{path} is not a checkpoint: its {size:,} bytes expand to {expanded:,}.",
            "Give the .pth or .safetensors file that training wrote.",
        )


def _damaged(path: Path, error: Exception) -> BddsegError:
    # Around its own cause, torch advises to load the file without checks.
    text = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    cause = text.split("\n")[0].split(". ")[0][:_LONGEST_CAUSE]
    return BddsegError(
        f"{path} cannot be read as a checkpoint ({type(error).__name__}: {cause or 'no data'}).",
        "The file is damaged or not a checkpoint; download it again.",
    )


def _is_state(state: Mapping[Any, Any]) -> bool:
    return all(isinstance(key, str) and isinstance(state[key], Tensor) for key in state)


def _find_unsupported(tensor: Tensor) -> str:
    """Return why a tensor cannot be a parameter of any network; empty if it can."""
    if tensor.is_meta:
        return "has no data (device meta)"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "is sparse or nested"
    if tensor.is_quantized or tensor.is_complex():
        return f"is {_get_type(tensor)}"
    return ""


def _find_unusable(tensor: Tensor, own: Tensor) -> str:
    """Return why a tensor cannot replace a parameter; empty if it can."""
    is_narrow = tensor.is_floating_point() and tensor.element_size() < _SMALLEST_FLOAT_BYTES
    if is_narrow or tensor.is_floating_point() != own.is_floating_point():
        return f"is {_get_type(tensor)} instead of {_get_type(own)}"
    # NaN is both the smallest and the largest; this is ten times as fast as looking at each number.
    extremes = torch.stack(tensor.aminmax()) if tensor.numel() else tensor
    return "" if bool(extremes.isfinite().all()) else "contains NaN or infinity"


def _refuse(path: Path, problems: Mapping[str, str]) -> None:
    """Raise an error that names the tensors with a problem, if any have one."""
    found = [f"{name} {problem}" for name, problem in problems.items() if problem]
    if found:
        raise BddsegError(
            f"{path} has " + " ".join(list_names("unusable", found)),
            "Save the parameters as plain tensors of float32, float16 or bfloat16.",
        )


def _get_type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def list_names(kind: str, names: Sequence[str]) -> list[str]:
    """Return a sentence with the first names of parameters and how many there are, or nothing.

    Args:
        kind: What they have in common, such as "missing".
        names: The names.
    """
    if not names:
        return []
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return [f"{pluralize(len(names), f'{kind} parameter')}: {', '.join(names[:_LISTED])}{more}."]


def format_shape(tensor: Tensor) -> str:
    """Return the shape of a tensor: "256x512x1x1"."""
    return "x".join(map(str, tensor.shape)) or "scalar"

"""Initial weights: random ones, a model's, a backbone's from ImageNet, or a checkpoint's."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bddseg.errors import BddsegError
from bddseg.io.read import is_file
from bddseg.progress import ProgressGroup
from bddseg.zoo.catalog import find_entry
from bddseg_train.backbones import find_backbone, get_backbone

if TYPE_CHECKING:
    from torch import Tensor, nn

_BACKBONE = "backbone."
# They count batches, and no layer of ours uses the number; older checkpoints have none.
_COUNTER = ".num_batches_tracked"


def check_init(init: str) -> None:
    """Check that initial weights exist, without downloading them; see `load_initial_weights`.

    Raises:
        BddsegError: there is no such model, backbone or file.
    """
    kind, _, name = init.partition(":")
    if kind == "zoo":
        find_entry(name)
    elif kind == "backbone":
        find_backbone(name)
    elif init and not is_file(Path(init)):
        raise BddsegError(
            f"There is no file {init} for the initial weights.",
            "Give a checkpoint, zoo:NAME (`bddseg zoo list`), backbone:NAME (resnet50_v1c, "
            'resnet101_v1c, hrnetv2_w48), or "" for random weights.',
        )


def load_initial_weights(
    network: "nn.Module", init: str, progress: ProgressGroup | None = None
) -> list[str]:
    """Load initial weights into a network, and return notes on what stays random.

    A class layer of another number of classes keeps its random weights.

    Args:
        network: The network; the weights that stay random are drawn with torch's generator.
        init: Nothing for random weights, "zoo:NAME" for the published ones of a model,
            "backbone:NAME" for those of an ImageNet backbone, or a checkpoint file: of a whole
            network, or of a backbone alone.
        progress: Shows downloads.

    Raises:
        BddsegError: they cannot be downloaded or read, or are of another architecture: the error
            lists names.
    """
    from bddseg.zoo.download import get_weights
    from bddseg_train.random_weights import draw_weights

    check_init(init)
    draw_weights(network)
    if not init:
        return ["All weights are random at the start."]
    kind, _, name = init.partition(":")
    if kind == "zoo":
        return _load(network, get_weights(find_entry(name), progress))
    if kind == "backbone":
        return _load(network, get_backbone(find_backbone(name), progress))
    return _load(network, Path(init))


def _load(network: "nn.Module", path: Path) -> list[str]:
    from bddseg.models.checkpoint import check_values, read_checkpoint
    from bddseg.models.network import ConvertsStateDict

    state, own = read_checkpoint(path), network.state_dict()
    if isinstance(network, ConvertsStateDict):
        state = network.convert_state_dict(state)
    notes = []
    if _is_of_backbone(state, own):
        state, dropped = _add_prefix(state, own)
        notes = [f"Of {path.name}, {name} is not used." for name in dropped]
        own = {name: tensor for name, tensor in own.items() if name.startswith(_BACKBONE)}
        notes.append(
            f"The backbone starts with the weights of {path.name}, the heads with random ones."
        )
    notes += _compare(state, own, path)
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and tensor.shape == own[name].shape
    }
    check_values(path, fitting, own)
    network.load_state_dict(fitting, strict=False)
    return notes


def _is_of_backbone(state: Mapping[str, "Tensor"], own: Mapping[str, "Tensor"]) -> bool:
    """Return whether more names fit the network's backbone than the whole network."""
    return sum(_BACKBONE + name in own for name in state) > sum(name in own for name in state)


def _add_prefix(
    state: Mapping[str, "Tensor"], own: Mapping[str, "Tensor"]
) -> tuple[dict[str, "Tensor"], list[str]]:
    """Return a backbone's tensors under their names in the network, and layers it has not.

    Those are the classifier of ImageNet, and what leads to it.
    """
    layers = {name.split(".")[1] for name in own if name.startswith(_BACKBONE)}
    used = {_BACKBONE + name: each for name, each in state.items() if name.split(".")[0] in layers}
    return used, sorted(_list_parts(state) - layers)


def _compare(state: Mapping[str, "Tensor"], own: Mapping[str, "Tensor"], path: Path) -> list[str]:
    """Return notes on the differences between a checkpoint and a network.

    Raises:
        BddsegError: they are of different architectures.
    """
    from bddseg.models.checkpoint import format_shape, list_names

    missing = [name for name in own if name not in state and not name.endswith(_COUNTER)]
    unexpected = [name for name in state if name not in own and not name.endswith(_COUNTER)]
    misshapen = [name for name in own if name in state and state[name].shape != own[name].shape]
    # A part such as the auxiliary head can be on one side alone; parts of both have to be the same.
    shared = _list_parts(own) & _list_parts(state)
    is_other = bool(shared & (_list_parts(missing) | _list_parts(unexpected)))
    is_other |= 2 * len(missing) > len(own)
    if is_other or not _differ_by_classes([(state[name], own[name]) for name in misshapen]):
        shapes = [
            f"{name} {format_shape(state[name])} instead of {format_shape(own[name])}"
            for name in misshapen
        ]
        problems = list_names("missing", missing)
        problems += list_names("unexpected", unexpected) + list_names("misshapen", shapes)
        raise BddsegError(
            f"{path} contains weights of another architecture. " + " ".join(problems),
            "Start from weights of this model's architecture: --init zoo:NAME, or --init FILE.",
        )
    notes = []
    if misshapen:
        listed = ", ".join(misshapen)
        notes.append(f"{path.name} has another number of classes: {listed} start random.")
    for kind, names in (("missing", missing), ("unexpected", unexpected)):
        notes += [f"{path.name} has {each}" for each in list_names(kind, names)]
    return notes


def _list_parts(names: Iterable[str]) -> set[str]:
    """Return the parts of a network that parameters are in, such as "decode_head"."""
    return {name.partition(".")[0] for name in names}


def _differ_by_classes(pairs: Sequence[tuple["Tensor", "Tensor"]]) -> bool:
    """Return whether shapes differ as they do where only the number of classes does.

    All sizes that differ then do so by the same number.
    """
    differences = set()
    for found, own in pairs:
        if found.dim() != own.dim():
            return False
        differences |= {a - b for a, b in zip(found.shape, own.shape, strict=True) if a != b}
    return len(differences) <= 1

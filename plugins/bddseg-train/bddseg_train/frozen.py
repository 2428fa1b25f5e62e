"""Parts of a network that training leaves as they are."""

from collections.abc import Iterable

from torch import nn

from bddseg.errors import BddsegError


def freeze(network: nn.Module, names: Iterable[str]) -> None:
    """Leave parts of a network in training mode as they are: weights, and statistics of norms.

    Args:
        network: The network.
        names: Modules, such as "backbone.stages.0", with all that is in them.

    Raises:
        BddsegError: there is no such module; the hint has those of its level.
    """
    for name in names:
        try:
            part = network.get_submodule(name)
        except AttributeError:
            raise _unknown_part(network, name) from None
        part.eval().requires_grad_(requires_grad=False)


def _unknown_part(network: nn.Module, name: str) -> BddsegError:
    level, prefix = network, ""
    for part in name.split("."):
        child = dict(level.named_children()).get(part)
        if child is None:
            break
        level, prefix = child, f"{prefix}{part}."
    known = ", ".join(prefix + child for child, _ in level.named_children())
    return BddsegError(
        f"frozen: the network has no part '{name}'.", f"Use some of these: {known or prefix[:-1]}."
    )

"""The registry of architectures: what a plugin's network has to be, and building one by name."""

import inspect
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.registry import Registry


class Network(Protocol):
    """What a network offers; it is also an `nn.Module`.

    Attributes:
        align_corners: how its logits are to be interpolated, as `interpolate` of torch means it.
    """

    @property
    def align_corners(self) -> bool:  # noqa: D102
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), float, normalised -> logits (N, K, h, w) of any size."""
        ...


@runtime_checkable
class Optimizable(Protocol):
    """A network that can be made faster for inference once its weights are loaded."""

    def optimize(self) -> None:
        """Change the network, in evaluation mode, in place; outputs stay the same to rounding."""
        ...


@runtime_checkable
class Translating(Protocol):
    """A network whose checkpoints may have other names for its parameters than it has."""

    def translate_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint's tensors under the network's own names; what has none stays."""
        ...


class Architecture(Protocol):
    """A function that builds a network for K classes from explicit keywords."""

    def __call__(self, *, num_classes: int, **options: Any) -> nn.Module:
        """Return a network with fresh parameters; its state dict has the checkpoint's names."""
        ...


def _check(candidate: Any) -> None:
    if not callable(candidate):
        raise TypeError(f"a function was expected, and it is a {type(candidate).__name__}")
    signature = inspect.signature(candidate)
    parameters = signature.parameters
    if "num_classes" not in parameters:
        raise TypeError(f"its function has no parameter num_classes: {signature}")
    positional = [name for name, each in parameters.items() if each.kind is each.POSITIONAL_ONLY]
    if positional:
        raise TypeError(f"its function takes {positional[0]} by place alone: {signature}")


ARCHITECTURES: Registry[Architecture] = Registry(
    "bddseg.architectures", "architecture", check=_check
)


def build_network(name: str, *, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    """Return a new network of the architecture `name`.

    Args:
        name: of the architecture, as registered.
        num_classes: K.
        options: keywords of its builder.

    Raises:
        BddsegError: no such architecture, or an option that it does not have or that it lacks.
    """
    architecture = ARCHITECTURES.load(name)
    signature = inspect.signature(architecture)
    try:
        signature.bind(num_classes=num_classes, **options)
    except TypeError as error:
        known = ", ".join(key for key in signature.parameters if key != "num_classes")
        raise BddsegError(
            f"The options of an entry do not fit the architecture '{name}': {error}.",
            f"Its options: {known}.",
        ) from error
    return architecture(num_classes=num_classes, **options)

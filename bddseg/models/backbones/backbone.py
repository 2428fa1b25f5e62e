"""What a backbone is, and finding one by name."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from bddseg.models.options import check_takes_keywords
from bddseg.registry import Registry


class Backbone(Protocol):
    """What a backbone offers; it is also an `nn.Module`, and can be `Fusible`.

    Attributes:
        out_channels: Channels of each stage's feature map, the finest map first.
    """

    @property
    def out_channels(self) -> Sequence[int]:  # noqa: D102
        ...

    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        """Images (N, 3, H, W), normalised -> maps (N, out_channels[i], h_i, w_i)."""
        ...


class BackboneBuilder(Protocol):
    """A class or a function that builds a backbone from explicit keywords."""

    def __call__(self, **options: Any) -> nn.Module:
        """Return a `Backbone` with fresh parameters; options are checked by its signature."""
        ...


# Entries name them in `options.backbone.type`.
BACKBONES: Registry[BackboneBuilder] = Registry(
    "bddseg.backbones", "backbone", check=check_takes_keywords
)

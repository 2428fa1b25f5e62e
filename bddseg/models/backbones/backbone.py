"""What a backbone is, and finding one by name."""

from collections.abc import Callable, Sequence
from typing import Protocol

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


# Each builds a `Backbone` from explicit keywords. Entries name them in `options.backbone.type`.
BACKBONES: Registry[Callable[..., nn.Module]] = Registry(
    "bddseg.backbones", "backbone", check=check_takes_keywords
)

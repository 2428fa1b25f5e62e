"""What all heads have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from bddseg.models.options import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """Options that all heads of a network share.

    Attributes:
        in_channels: Channels of each stage of the backbone, the finest first.
        num_classes: K, the number of logits for each position.
        dropout: Share of channels dropped before classification, in training.
        align_corners: How a head's maps, and the logits after it, are interpolated.
    """

    in_channels: Sequence[int]
    num_classes: int
    dropout: float
    align_corners: bool


class DecodeHead(nn.Module):
    """Base class of heads: dropout and a 1x1 convolution to the classes.

    The parameters of a subclass are these and its own options.

    Args:
        common: Options that all heads of the network share.
        channels: Channels of the features that are classified.

    Raises:
        OptionError: The backbone has fewer stages than `min_stages`.
    """

    # Number of stages that the head needs.
    min_stages: ClassVar[int] = 1

    def __init__(self, common: HeadOptions, *, channels: int) -> None:
        super().__init__()
        if len(common.in_channels) < self.min_stages:
            raise OptionError(
                "",
                f"needs a backbone with at least {self.min_stages} stages; this one has "
                f"{len(common.in_channels)}.",
                "Choose another options.backbone.type or another architecture.",
            )
        self.align_corners = common.align_corners
        self.dropout = nn.Dropout2d(common.dropout)
        self.conv_seg = nn.Conv2d(channels, common.num_classes, 1)

    def classify(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> logits (N, K, h, w)."""
        logits: Tensor = self.conv_seg(self.dropout(x))
        return logits

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps of all stages -> logits (N, K, h, w)."""
        raise NotImplementedError

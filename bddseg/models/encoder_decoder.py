"""The shape that most networks of the zoo share: a backbone, a head, and a head for training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bddseg.models.folding import fold_batchnorm


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """What all heads of a network have in common.

    Attributes:
        num_classes: K, the number of logits for each position.
        dropout: share of channels dropped before classification, in training.
        align_corners: how a head's maps, and the logits after it, are interpolated.
    """

    num_classes: int
    dropout: float
    align_corners: bool


class DecodeHead(nn.Module):
    """What every head ends in: dropout and a 1x1 convolution to the classes.

    Args:
        channels: of the features that are classified.
        options: shared by the network's heads.
    """

    def __init__(self, channels: int, options: HeadOptions) -> None:
        super().__init__()
        self.align_corners = options.align_corners
        self.dropout = nn.Dropout2d(options.dropout)
        self.conv_seg = nn.Conv2d(channels, options.num_classes, 1)

    def classify(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> logits (N, K, h, w)."""
        logits: Tensor = self.conv_seg(self.dropout(x))
        return logits

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The backbone's feature maps -> logits (N, K, h, w)."""
        raise NotImplementedError


class EncoderDecoder(nn.Module):
    """A backbone and its heads.

    Args:
        backbone: images (N, 3, H, W) to feature maps, finest first.
        decode_head: feature maps to logits.
        auxiliary_head: a second head that training adds a loss to; masks never come from it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        decode_head: DecodeHead,
        auxiliary_head: DecodeHead | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.decode_head = decode_head
        if auxiliary_head is not None:
            self.auxiliary_head = auxiliary_head

    @property
    def align_corners(self) -> bool:
        """How the logits are to be interpolated."""
        return self.decode_head.align_corners

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), normalised -> logits (N, K, h, w) at the head's own size."""
        logits: Tensor = self.decode_head(self._extract(images))
        return logits

    def forward_heads(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> logits of the decode head and of the auxiliary head, if any."""
        features = self._extract(images)
        heads = [self.decode_head, getattr(self, "auxiliary_head", None)]
        return [head(features) for head in heads if head is not None]

    def optimize(self) -> None:
        """Make evaluation faster, in place: same outputs up to rounding, no more training.

        Batch normalisation is folded into the backbone's convolutions. These, mostly 1x1, are
        fastest with the channels last in memory (a third faster on a CPU).
        """
        self.eval()
        fold_batchnorm(self.backbone)
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _extract(self, images: Tensor) -> list[Tensor]:
        # The heads' wide 3x3 convolutions are fastest with the channels first.
        return [x.contiguous() for x in self.backbone(images)]

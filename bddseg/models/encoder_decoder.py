"""The encoder-decoder: any backbone with any head, as most networks of the zoo are."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.backbones.backbone import BACKBONES
from bddseg.models.heads.fcn import FCNHead
from bddseg.models.heads.head import DecodeHead, HeadOptions
from bddseg.models.layers import ConvModule
from bddseg.models.network import fuse, fuse_convolutions
from bddseg.models.options import OptionError, call_with_options


class EncoderDecoder(nn.Module):
    """A backbone and its heads.

    Args:
        backbone: Images (N, 3, H, W) to feature maps, the finest first.
        decode_head: Feature maps to logits.
        auxiliary_head: A second head that adds a loss in training; predictions never use it.
    """

    def __init__(
        self, backbone: nn.Module, decode_head: DecodeHead, auxiliary_head: DecodeHead | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.decode_head = decode_head
        if auxiliary_head is not None:
            self.auxiliary_head = auxiliary_head

    @property
    def align_corners(self) -> bool:
        """How the logits are interpolated."""
        return self.decode_head.align_corners

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), normalised -> logits (N, K, h, w) at the head's own size."""
        logits: Tensor = self.decode_head(self.backbone(images))
        return logits

    def forward_heads(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> logits of the decode head and, if any, of the auxiliary head."""
        features = self.backbone(images)
        heads = [self.decode_head, getattr(self, "auxiliary_head", None)]
        return [head(features) for head in heads if head is not None]

    def fuse(self) -> None:
        """Fuse the layers of the backbone and the decode head, in place; see `Fusible`."""
        self.eval()
        fuse(self.backbone)
        # Heads apply other layers than these in an order of their own.
        for module in self.decode_head.modules():
            if isinstance(module, ConvModule):
                fuse_convolutions(module)
        self.decode_head.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_architecture(head_class: type[DecodeHead]) -> Callable[..., EncoderDecoder]:
    """Return the architecture of a head on any backbone: a builder of its networks.

    The options of its entries are `dropout`, `align_corners`, and the tables `backbone` (`type` and
    that backbone's keywords), `head` (the head's keywords) and, for networks that are trained with
    a second loss, `auxiliary_head` (the keywords of `FCNHead`).

    Args:
        head_class: Its `__init__` takes (common, *, channels, ...).
    """

    def build(
        *,
        num_classes: int,
        backbone: Mapping[str, Any],
        head: Mapping[str, Any],
        auxiliary_head: Mapping[str, Any] | None = None,
        dropout: float,
        align_corners: bool,
    ) -> EncoderDecoder:
        encoder = _build_backbone(backbone)
        common = HeadOptions(
            in_channels=encoder.out_channels,
            num_classes=num_classes,
            dropout=dropout,
            align_corners=align_corners,
        )
        decoder = call_with_options(partial(head_class, common), head, "head")
        if auxiliary_head is None:
            return EncoderDecoder(encoder, decoder)
        auxiliary = call_with_options(partial(FCNHead, common), auxiliary_head, "auxiliary_head")
        return EncoderDecoder(encoder, decoder, auxiliary)

    build.__doc__ = f"Return a network with a {head_class.__name__}; see `make_architecture`."
    return build


def _build_backbone(options: Mapping[str, Any]) -> Any:
    keywords = dict(options)
    try:
        builder = BACKBONES.load(str(keywords.pop("type")))
    except KeyError as error:
        known = ", ".join(BACKBONES.list_names())
        raise OptionError("backbone.type", "is missing.", f"Backbones: {known}.") from error
    except BddsegError as error:
        problem = f"cannot be used. {error.message}"
        raise OptionError("backbone.type", problem, error.hint) from error
    return call_with_options(builder, keywords, "backbone")

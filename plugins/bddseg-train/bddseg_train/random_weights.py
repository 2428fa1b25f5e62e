"""Random initial weights of encoder-decoders, as mmsegmentation 0.30 draws them.

Kaiming's normal distribution (He et al., arXiv 1502.01852) for convolutions, a small one for
classifiers, and zeros where a context block begins as the identity. Layers that mmsegmentation
leaves as torch makes them, and other networks, are left so here, too.
"""

from torch import nn

from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.heads.dnl import DisentangledNonLocal
from bddseg.models.heads.gc import GlobalContext
from bddseg.models.heads.head import DecodeHead

_SMALL = 0.01


def draw_weights(network: nn.Module) -> None:
    """Draw new random weights, in place, with torch's random generator."""
    if not isinstance(network, EncoderDecoder):
        return
    for name, module in network.named_modules():
        # In heads, those of mmsegmentation's ConvModule have this name.
        if isinstance(module, nn.Conv2d) and name.startswith("backbone.") | name.endswith(".conv"):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # Parts of these are drawn again.
    for module in network.modules():
        if isinstance(module, DecodeHead):
            _draw_small(module.conv_seg)
        elif isinstance(module, GlobalContext):
            nn.init.kaiming_normal_(module.conv_mask.weight, mode="fan_in", nonlinearity="relu")
            for parameter in module.channel_add_conv[-1].parameters():
                nn.init.zeros_(parameter)
            assert module.conv_mask.bias is not None
            nn.init.zeros_(module.conv_mask.bias)
        elif isinstance(module, DisentangledNonLocal):
            for layer in (module.g, module.theta, module.phi):
                _draw_small(layer[0])
            nn.init.zeros_(module.conv_out.bn.weight)


def _draw_small(conv: nn.Module) -> None:
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    nn.init.normal_(conv.weight, std=_SMALL)
    nn.init.zeros_(conv.bias)

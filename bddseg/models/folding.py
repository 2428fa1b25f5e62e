"""Batch normalisation folded into convolutions, for inference."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batchnorm(network: nn.Module) -> None:
    """Fold each BatchNorm2d that a module declares right after a Conv2d into the latter, in place.

    In evaluation mode both are linear, so the outputs are the same up to rounding. It is for
    networks whose modules apply their layers in the order in which they declare them, as our
    backbones do; the network can no longer be trained, nor its state dict be loaded or saved.
    """
    for module in network.modules():
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())

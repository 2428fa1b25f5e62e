"""From an entry and its checkpoint to a network that is ready to run."""

from pathlib import Path

from torch import nn

from bddseg.models.build import build_network
from bddseg.models.checkpoint import load_weights
from bddseg.models.network import fuse
from bddseg.specs import Entry


def load_network(entry: Entry, weights: Path) -> nn.Module:
    """Return an entry's network in evaluation mode, its weights loaded strictly, its layers fused.

    It is a `bddseg.models.network.Network`, on the CPU.

    Raises:
        BddsegError: the entry's options are wrong, or the weights do not fit.
    """
    network = build_network(entry)
    load_weights(network, weights)
    network.eval()
    fuse(network)
    return network

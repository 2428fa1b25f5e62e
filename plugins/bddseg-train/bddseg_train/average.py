"""A running average of the weights, which often scores better than the last weights."""

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of a network's parameters and buffers.

    Polyak & Juditsky, Acceleration of stochastic approximation by averaging, 1992; the decay rises
    to its value within the first steps, so that the average forgets the initial weights.

    Args:
        network: The network; the average begins with its weights.
        decay: Share of the old average that each update keeps, once it has risen.

    Attributes:
        state: The average, by name of the parameter or buffer.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: each.detach().clone() for name, each in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Add the weights that the network has after the step of this number, from 1 on."""
        share = 1 - min(self.decay, step / (step + 10))
        floats: list[Tensor] = []
        targets: list[Tensor] = []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                floats.append(self.state[name])
                targets.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(floats, targets, share)

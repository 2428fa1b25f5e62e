"""The optimizer of a recipe, and its learning rate at each step."""

import torch
from torch import nn

from bddseg_train.recipe import Optimizer, Recipe

_SECOND_BETA = 0.999


def make_optimizer(network: nn.Module, spec: Optimizer) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters that are trained."""
    parameters = [each for each in network.parameters() if each.requires_grad]
    if spec.name == "adamw":
        betas = (spec.momentum, _SECOND_BETA)
        return torch.optim.AdamW(
            parameters, lr=spec.lr, betas=betas, weight_decay=spec.weight_decay
        )
    return torch.optim.SGD(
        parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay
    )


def compute_learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step, counted from 0; see `Schedule`."""
    schedule, lr = recipe.schedule, recipe.optimizer.lr
    rest: float = (1 - step / recipe.iterations) ** schedule.power
    rate = (lr - schedule.min_lr) * rest + schedule.min_lr
    return rate * min(1.0, (step + 1) / (schedule.warmup + 1))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let the next step use this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate

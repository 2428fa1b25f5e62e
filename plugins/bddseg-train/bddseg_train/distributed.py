"""The processes of a training run: one for each device, started by torchrun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bddseg.inference.distributed.rank import read_rank_info
from bddseg.inference.runtimes.torch import choose_device

_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a run, and which of them this one is.

    Attributes:
        device: Where this process computes.
        rank: Rank of this process.
        world_size: Number of processes.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the results."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.world_size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Wait for all processes."""
        if self.world_size > 1:
            dist.barrier()


@contextmanager
def join_group(device: str) -> Iterator[Group]:
    """Join the processes that torchrun started, or be alone; leave them at the end of the block.

    Args:
        device: "auto", "cpu", "cuda", "cuda:N" or "mps"; of several processes on "auto" or "cuda",
            each takes the GPU of its rank on the machine.

    Raises:
        BddsegError: there is no such device.
    """
    info = read_rank_info(os.environ)
    if info is None:
        yield Group(choose_device(device))
        return
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{info.local_rank}")
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield Group(chosen, info.rank, info.world_size)
    finally:
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        del ctx
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def _sum(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


class _SyncBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the images of all processes, on CPUs too.

    `torch.nn.SyncBatchNorm` takes CUDA tensors alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        if not self.training:
            return super().forward(x)
        count = x.numel() / x.shape[1] * dist.get_world_size()
        mean = _sum(x.sum((0, 2, 3))) / count
        centered = x - mean[:, None, None]
        variance = _sum(centered.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None
            assert self.num_batches_tracked is not None and self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            unbiased = variance * (count / (count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
        scale = self.weight / (variance + self.eps).sqrt()
        normalized: Tensor = centered * scale[:, None, None] + self.bias[:, None, None]
        return normalized


def synchronize_batch_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norms count the images of all processes; return the network."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _SyncBatchNorm
        elif isinstance(module, _BatchNorm):
            raise NotImplementedError(f"no synchronised {type(module).__name__} on {device}")
    return network

"""What a runtime is, and finding one by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from bddseg.registry import Registry, require_class
from bddseg.specs import Entry, Precision


class Runtime(Protocol):
    """Executes an entry's network on a device.

    `in_float32` and `is_thread_safe` are inherited where a class names this as its base.

    Attributes:
        is_thread_safe: Threads may call `infer` in parallel. Otherwise one thread at a time does.
        device: Where `infer` takes images and leaves logits.
        align_corners: How its logits are to be interpolated, as `torch.nn.functional.interpolate`
            means it.
    """

    is_thread_safe: ClassVar[bool] = False
    device: torch.device
    align_corners: bool

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return the names of the devices that it can use on this machine, the best one first."""
        ...

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Return an entry's network with its weights, ready to run.

        Args:
            entry: The model.
            weights: Its checkpoint file.
            device: "auto", or a name of `list_devices`.
            precision: What the network computes in.

        Raises:
            BddsegError: there is no such device, or the weights do not fit.
        """
        ...

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the logits of each task: images (N, 3, H, W), float32 -> (N, K, h, w), float.

        Keys are names of tasks; logits may be of any size.
        """
        ...

    def in_float32(self) -> "Runtime":
        """Return the same network computing in float32; by default, this one does already."""
        return self

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:
        """Return how many images fit into memory at a time, from 1 to `limit`.

        Args:
            infer_one: Runs one image.
            limit: The largest number that is useful.
        """
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether an error says that a batch did not fit into the device's memory."""
        ...


@runtime_checkable
class Compilable(Protocol):
    """A runtime that can compile its network, as `--compile` asks for."""

    def compile(self) -> None:
        """Compile the network, at the latest when images of a new shape come.

        Raises:
            BddsegError: it cannot be compiled on this machine.
        """
        ...


RUNTIMES: Registry[type[Runtime]] = Registry(
    "bddseg.runtimes",
    "runtime",
    check=require_class(
        "list_devices", "load", "infer", "in_float32", "measure_batch_size", "is_out_of_memory"
    ),
)

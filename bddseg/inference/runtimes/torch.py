"""Networks run by PyTorch itself, on a CPU, a CUDA GPU or an Apple GPU."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, cast, get_args

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.models.load import load_network
from bddseg.models.network import Network
from bddseg.specs import Entry, Precision

_HALF_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
# Of the GPU memory that is free, the share that a batch may fill: what one image takes at its peak
# is measured once, and allocators waste some.
_MEMORY_SHARE = 0.7
# Libraries below torch's allocator report theirs as plain RuntimeErrors.
_OUT_OF_MEMORY = re.compile(r"CU(DNN|BLAS)_STATUS_ALLOC_FAILED|CUDA error: out of memory")


class TorchRuntime:
    """A network as a module of torch.

    Args:
        network: In evaluation mode, with its weights.
        task: Name of the entry's task: of the logits of a network that has one output.
        device: Device to run on.
        precision: "fp16" and "bf16" use torch's autocast.
    """

    def __init__(
        self, network: Network, task: str, device: torch.device, precision: Precision = "fp32"
    ) -> None:
        self.device = device
        self.align_corners = network.align_corners
        self.network = network
        self._task = task
        self._half_type = _HALF_TYPES.get(precision)

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return the devices that torch sees, GPUs first."""
        gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        mps = ["mps"] if torch.backends.mps.is_available() else []
        return [*gpus, *mps, "cpu"]

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Build the entry's network, load its weights strictly, and fuse its layers.

        Raises:
            BddsegError: there is no such device or precision, or the weights do not fit.
        """
        if precision not in get_args(Precision):
            raise BddsegError(
                f"There is no precision '{precision}'.",
                f"Use one of {', '.join(get_args(Precision))}.",
            )
        target = choose_device(device)
        if target.type == "cpu":
            flush_denormals()
        network = load_network(entry, weights)
        return cls(cast(Network, network.to(target)), entry.task, target, precision)

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (N, 3, H, W), float32, on the device -> logits (N, K, h, w) of each task."""
        if self.device.type == "cpu":
            flush_denormals()
        with torch.autocast(
            self.device.type, dtype=self._half_type, enabled=self._half_type is not None
        ):
            outputs = self.network(images)
        return {self._task: outputs} if isinstance(outputs, Tensor) else outputs

    def in_float32(self) -> Self:
        """Return a runtime of the same network without autocast."""
        if self._half_type is None:
            return self
        return type(self)(self.network, self._task, self.device)

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:
        """Return 1 on a CPU; on a CUDA GPU, what fits, from the peak memory of one image."""
        if self.device.type != "cuda":
            infer_one()
            return 1
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        infer_one()
        one = max(torch.cuda.max_memory_allocated(self.device) - before, 1)
        free = torch.cuda.mem_get_info(self.device)[0] * _MEMORY_SHARE
        return max(1, min(limit, int(free / one)))

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether CUDA, cuDNN or cuBLAS could not allocate; the cache is then given back."""
        is_allocation = isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error))
        if not (is_allocation or isinstance(error, torch.cuda.OutOfMemoryError)):
            return False
        torch.cuda.empty_cache()
        return True


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU if there is one, else the CPU.

    Raises:
        BddsegError: there is no such device.
    """
    available = TorchRuntime.list_devices()
    if name == "auto":
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise BddsegError(
            f"'{name}' is not a device.", f"Devices of this machine: {', '.join(available)}."
        ) from error
    full_name = f"cuda:{device.index or 0}" if device.type == "cuda" else device.type
    if full_name not in available:
        raise BddsegError(
            f"Device '{name}' is not available: torch {torch.__version__} finds "
            f"{', '.join(available)}.",
            "Use --device cpu.",
        )
    return device


def flush_denormals() -> None:
    """Let the CPU treat denormal numbers as zero.

    Some published weights hold them, and they make a CPU tens of times slower. The setting belongs
    to a thread: OpenMP's threads inherit it from the one that first enters a parallel region, so it
    has to be made before, in whatever thread that is.
    """
    torch.set_flush_denormal(True)

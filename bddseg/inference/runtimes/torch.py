"""Networks run by PyTorch itself, on a CPU, a CUDA GPU or an Apple GPU."""

import copy
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self, cast, get_args

import torch
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.compiled import compile_network
from bddseg.models.load import load_network
from bddseg.models.network import Network, convert_to_half
from bddseg.specs import Entry, Precision

_HALF_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
# Of the GPU memory that is free, the share that a batch may fill: what one image takes at its peak
# is measured once, and allocators waste some.
_MEMORY_SHARE = 0.7
# Libraries below torch's allocator report theirs as plain RuntimeErrors.
_OUT_OF_MEMORY = re.compile(r"CU(DNN|BLAS)_STATUS_ALLOC_FAILED|CUDA error: out of memory")


_LOCK = threading.RLock()


class TorchRuntime:
    """A network as a module of torch.

    Args:
        network: In evaluation mode, with its weights.
        task: Name of the entry's task: of the logits of a network that has one output.
        device: Device to run on.
        precision: Of "fp16" and "bf16", weights and activations are in half precision, except where
            sums exceed it; "tf32" is a GPU's faster float32 with 10 bits of mantissa.
    """

    is_thread_safe: ClassVar[bool] = True

    def __init__(
        self, network: Network, task: str, device: torch.device, precision: Precision = "fp32"
    ) -> None:
        self.device = device
        self.align_corners = network.align_corners
        self._task = task
        self._precision = precision
        self._dtype = _HALF_TYPES.get(precision, torch.float32)
        # For what half precision cannot do; it stays in the host's memory until then.
        self._exact = network
        self.network = _place(network, device, self._dtype)
        self._run: Callable[[Tensor], Tensor | Mapping[str, Tensor]] = self.network

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
        if precision == "tf32" and target.type != "cuda":
            raise BddsegError(
                f"Only CUDA GPUs compute in tf32, not {target}.", "Leave --precision out."
            )
        network = load_network(entry, weights)
        return cls(cast(Network, network), entry.task, target, precision)

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (N, 3, H, W), float32, on the device -> logits (N, K, h, w) of each task."""
        if self.device.type == "cpu":
            flush_denormals()
        is_cuda = self.device.type == "cuda"
        with set_tf32(self._precision == "tf32") if is_cuda else nullcontext():
            outputs = self._run(images.to(self._dtype))
        return {self._task: outputs} if isinstance(outputs, Tensor) else outputs

    def compile(self) -> None:
        """Compile the network; see `compile_network`.

        Raises:
            BddsegError: there is no compiler for the device.
        """
        self._run = compile_network(self.network, self.device)

    def in_float32(self) -> Self:
        """Return a runtime of the same network before its conversion; tf32 has float32's range."""
        if self._dtype is torch.float32:
            return self
        with _LOCK:
            return type(self)(self._exact, self._task, self.device)

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


@contextmanager
def set_tf32(enabled: bool) -> Iterator[None]:
    """Let CUDA's convolutions and products of float32 be computed in TF32, or not, in the block.

    By default torch does so for convolutions alone. The switches belong to the process, so that one
    thread at a time is inside, and afterwards they are as before.
    """
    backends: Any = torch.backends
    switches = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    with _LOCK:
        before = [each.fp32_precision for each in switches]
        try:
            for each in switches:
                each.fp32_precision = "tf32" if enabled else "ieee"
            yield
        finally:
            for each, value in zip(switches, before, strict=True):
                each.fp32_precision = value


def _place(network: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """Return the network on the device, or a copy of it in half precision."""
    assert isinstance(network, nn.Module)
    if dtype is not torch.float32:
        network = copy.deepcopy(network)
        convert_to_half(network, dtype)
    # Tensor cores want the channels last, in heads too.
    layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
    return cast(Network, network.to(device, memory_format=layout))  # type: ignore[call-overload]


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

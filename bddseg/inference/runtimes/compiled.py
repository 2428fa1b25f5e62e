"""Networks compiled with torch.compile."""

import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.models.network import Network

_WITHOUT = "Install it, or leave --compile out."


def compile_network(
    network: Network, device: torch.device
) -> Callable[[Tensor], Tensor | Mapping[str, Tensor]]:
    """Return a network that is compiled at its first call, and again for each new shape of images.

    On a CPU its weights become constants ("freezing"). On a CUDA GPU each shape becomes a CUDA
    graph; that was never run.

    Args:
        network: On the device, in evaluation mode.
        device: A CPU or a CUDA GPU.

    Raises:
        BddsegError: there is no compiler for the device; in calls, the network cannot be compiled.
    """
    check_compiler(device)
    from torch._inductor import config

    is_cuda = device.type == "cuda"
    mode = "reduce-overhead" if is_cuda else "default"
    compiled = torch.compile(network, dynamic=False, mode=mode)

    def run(images: Tensor) -> Tensor | Mapping[str, Tensor]:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        # Among the options of `torch.compile` it would have no effect on tracing.
        with explain_compile_errors(), config.patch(freezing=not is_cuda):
            outputs: Tensor | Mapping[str, Tensor] = compiled(images)
        if not is_cuda:
            return outputs
        # The next run of a CUDA graph overwrites its outputs.
        if isinstance(outputs, Tensor):
            return outputs.clone()
        return {task: logits.clone() for task, logits in outputs.items()}

    return run


@contextmanager
def explain_compile_errors() -> Iterator[None]:
    """Raise a BddsegError where torch.compile cannot compile what the block runs."""
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    try:
        yield
    except (TorchDynamoException, InductorError) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BddsegError(
            f"torch.compile cannot compile this network: {cause}.", "Leave --compile out."
        ) from error


def check_compiler(device: torch.device) -> None:
    """Check that networks can be compiled for a device.

    Raises:
        BddsegError: there is no compiler for it.
    """
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise BddsegError("Compiling for a CUDA GPU needs Triton.", _WITHOUT)
        return
    if device.type != "cpu":
        raise BddsegError(
            f"Networks are compiled for a CPU or a CUDA GPU, not for {device}.",
            "Leave --compile out.",
        )
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise BddsegError(
            "Compiling for a CPU needs a C++ compiler, g++ or clang++, and none was found.",
            f"{_WITHOUT} The variable CXX can name it.",
        ) from error
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise BddsegError(
            f"Compiling for a CPU needs Python's header files: there is no {header}.",
            f"{_WITHOUT} Their package is often called python3-dev.",
        )

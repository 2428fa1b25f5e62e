"""Networks run by TensorRT, through ONNX Runtime. It was never run on a GPU."""

import re
from pathlib import Path
from typing import Self

import torch

from bddseg.errors import BddsegError
from bddseg.inference.runtimes import graph_cache
from bddseg.inference.runtimes.graph_runtime import CompiledGraph, GraphRuntime
from bddseg.inference.runtimes.onnx import Session
from bddseg.specs import Entry, Precision

_PROVIDER = "TensorrtExecutionProvider"
_INSTALL = (
    "Install it in place of onnxruntime: pip uninstall onnxruntime, then pip install "
    "'bddseg[tensorrt]'. Or use --runtime torch."
)
_SWITCHES = {"fp16": "trt_fp16_enable", "bf16": "trt_bf16_enable"}


class TensorRtRuntime(GraphRuntime):
    """TensorRT on a CUDA GPU; it was never run on one.

    Images and logits stay in the host's memory. Building an engine takes minutes for each size of
    images; engines are cached in the folder of the graphs.

    Args:
        entry: As of `GraphRuntime`.
        weights: As of `GraphRuntime`.
        precision: What the network computes in.
        number: Number of the GPU.
    """

    name = "tensorrt"

    def __init__(
        self, entry: Entry, weights: Path, precision: Precision = "fp32", number: int = 0
    ) -> None:
        self._number = number
        super().__init__(entry, weights, precision)

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return the CUDA GPUs that torch sees."""
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Return an entry's network, ready to run.

        Raises:
            BddsegError: as of `GraphRuntime`.
        """
        cls.check(precision)
        match = re.fullmatch(r"auto|cuda(?::(\d+))?", device, re.ASCII)
        number = int(match[1] or 0) if match else -1
        if f"cuda:{number}" not in cls.list_devices():
            raise BddsegError(
                f"The runtime 'tensorrt' has no device '{device}': torch {torch.__version__} finds "
                f"{', '.join(cls.list_devices()) or 'no CUDA GPU'}.",
                "Use --runtime torch.",
            )
        return cls(entry, weights, precision, number)

    def _copy_exact(self) -> Self:
        return type(self)(self._entry, self._weights, number=self._number)

    @classmethod
    def check(cls, precision: Precision) -> None:
        """Check that ONNX Runtime is installed with TensorRT, and has the precision."""
        try:
            import onnxruntime
        except ImportError as error:
            raise BddsegError(f"The runtime 'tensorrt' needs {error.name}.", _INSTALL) from error
        if _PROVIDER not in onnxruntime.get_available_providers():
            raise BddsegError(
                "The runtime 'tensorrt' needs onnxruntime-gpu, and this ONNX Runtime knows only "
                f"{', '.join(onnxruntime.get_available_providers())}.",
                _INSTALL,
            )
        if precision != "fp32" and precision not in _SWITCHES:
            raise BddsegError(
                f"TensorRT does not compute in {precision}.", "Leave --precision out."
            )

    def _compile(self, content: bytes) -> CompiledGraph:
        options: dict[str, object] = {
            "device_id": self._number,
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(graph_cache.get_folder() / graph_cache.ENGINES),
        }
        if self.precision in _SWITCHES:
            options[_SWITCHES[self.precision]] = True
        # What TensorRT cannot take is done by CUDA.
        others = ("CUDAExecutionProvider", {"device_id": self._number})
        session = Session(content, [(_PROVIDER, options), others])
        if _PROVIDER not in session.providers:
            raise BddsegError(
                "TensorRT could not be loaded by ONNX Runtime.",
                "Install the version of it that this onnxruntime-gpu was built for.",
            )
        return session

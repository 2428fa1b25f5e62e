"""Networks run by OpenVINO on the CPU."""

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.graph_runtime import CompiledGraph, GraphRuntime
from bddseg.inference.runtimes.onnx_file import TensorInfo, check_inputs
from bddseg.inference.threads import get_num_parallel
from bddseg.specs import Precision

_HINTS = {"fp32": "f32", "bf16": "bf16"}
_DEVICE = "CPU"


# Where an .xml tells the SHA-256 of its .bin: then the checksum of the one vouches for both.
BIN_SHA256 = ("bddseg", "bin_sha256")
# OpenVINO's own format: an .xml, and a .bin beside it.
_SUFFIX = ".xml"


class OpenVinoRuntime(GraphRuntime):
    """OpenVINO, on the CPU; int8 layers stay int8 in any precision.

    An entry's file may also be an .xml with its .bin, OpenVINO's own format. One that takes a
    single size of images refuses others.
    """

    name = "openvino"
    _exports_winograd = True

    @classmethod
    def check(cls, precision: Precision) -> None:
        """Check that OpenVINO is installed and has the precision on this CPU."""
        try:
            import openvino  # noqa: F401
        except ImportError as error:
            raise BddsegError(
                f"The runtime 'openvino' needs {error.name}.",
                "Install it: pip install 'bddseg[openvino]'.",
            ) from error
        if precision not in list_precisions():
            raise BddsegError(
                f"OpenVINO does not compute in {precision} on this CPU.", "Leave --precision out."
            )

    def _open_file(self) -> CompiledGraph:
        if self._weights.suffix != _SUFFIX:
            return super()._open_file()
        graph = _CompiledModel(_read_model(self._weights), self.precision)
        check_inputs(graph.inputs, self._weights)
        return graph

    def _compile(self, content: bytes) -> CompiledGraph:
        import openvino

        return _CompiledModel(openvino.Core().read_model(content), self.precision)


def compile_on_cpu(model: Any, precision: Precision = "fp32") -> Any:
    """Return an `openvino.CompiledModel` of an `openvino.Model`, for one image after the other."""
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        # Other workers and processes want the same cores.
        "ENABLE_CPU_PINNING": False,
        # In OpenVINO's own threads; see `flush_denormals` of the runtime torch.
        "CPU_DENORMALS_OPTIMIZATION": True,
    }
    return openvino.Core().compile_model(model, _DEVICE, settings)


def _read_model(path: Path) -> Any:
    """Return the `openvino.Model` of an .xml and its .bin."""
    import openvino

    try:
        xml, content = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    except OSError as error:
        raise BddsegError(
            f"The weights file {error.filename} cannot be read: {error.strerror}.",
            "An OpenVINO model is two files: keep the .xml and the .bin in one folder.",
        ) from error
    hint = "The files are damaged, or not of one OpenVINO model; make or copy them again."
    try:
        model = openvino.Core().read_model(xml, content)
        known = model.has_rt_info([*BIN_SHA256])
        digest = model.get_rt_info([*BIN_SHA256]).astype(str) if known else ""
    except Exception as error:  # OpenVINO's errors have no public base class
        cause = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise BddsegError(f"{path} cannot be read as an OpenVINO model: {cause}", hint) from error
    if digest and digest != hashlib.sha256(content).hexdigest():
        raise BddsegError(f"{path.with_suffix('.bin')} is not the file that {path} names.", hint)
    return model


def list_precisions() -> list[str]:
    """Return the precisions that OpenVINO has on this CPU."""
    import openvino

    known = openvino.Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
    return [name for name in _HINTS if name == "fp32" or name.upper() in known]


def describe_processor() -> str:
    """Return the version of OpenVINO and the CPU, on which its results depend."""
    import openvino

    name = openvino.Core().get_property(_DEVICE, "FULL_DEVICE_NAME")
    return f"{openvino.get_version()} on {name}"


class _CompiledModel:
    """A graph in an `openvino.CompiledModel` for each image that is computed in parallel.

    Not in one with several streams: there int8 layers get wrong weights now and then (OpenVINO
    2026.4; three of twenty models that were compiled, and none of forty with one stream).

    Args:
        model: An `openvino.Model`.
        precision: What it computes in.
    """

    def __init__(self, model: Any, precision: Precision = "fp32") -> None:
        self._precision = precision
        self._lock = threading.Lock()
        # The others are compiled when they are needed; a large network has none, and is freed.
        self._num_left = get_num_parallel() - 1
        self._model = model if self._num_left else None
        compiled = compile_on_cpu(model, precision)
        self.inputs = [_describe(port) for port in compiled.inputs]
        self.outputs = [_describe(port) for port in compiled.outputs]
        # A request has one set of inputs and outputs, and is one thread's at a time.
        self._requests: LifoQueue[Any] = LifoQueue()
        self._requests.put(compiled.create_infer_request())

    def run(self, images: Tensor, names: Sequence[str]) -> list[Tensor]:
        import openvino

        def share(tensor: Tensor) -> Any:
            return openvino.Tensor(tensor.numpy(), shared_memory=True)

        request = self._take_request()
        try:
            request.set_input_tensor(0, share(images))
            results = {}
            for number, (name, _type, shape) in enumerate(self.outputs):
                if all(isinstance(size, int) for size in shape):
                    # Written by OpenVINO itself: no copy, and no later call writes to it.
                    results[name] = torch.empty(*shape)  # type: ignore[arg-type]
                    request.set_output_tensor(number, share(results[name]))
            request.infer()
            for number, (name, _, _) in enumerate(self.outputs):
                if name not in results:
                    data = request.get_output_tensor(number).data
                    results[name] = torch.from_numpy(data.copy())
        finally:
            self._requests.put(request)
        return [results[name] for name in names]

    def _take_request(self) -> Any:
        with suppress(Empty):
            return self._requests.get_nowait()
        with self._lock:
            if self._num_left > 0:
                self._num_left -= 1
                return compile_on_cpu(self._model, self._precision).create_infer_request()
        return self._requests.get()


def _describe(port: Any) -> TensorInfo:
    shape = [size.to_string() if size.is_dynamic else len(size) for size in port.partial_shape]
    # A port without a name has no other way to be known.
    name = port.any_name if port.names else str(port.index)
    kind = port.element_type.to_string()
    return TensorInfo(name, "float" if kind == "f32" else kind, shape)

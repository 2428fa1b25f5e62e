"""Networks run by ONNX Runtime on the CPU."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.graph_runtime import CompiledGraph, GraphRuntime
from bddseg.inference.runtimes.onnx_file import TensorInfo
from bddseg.inference.threads import get_num_parallel
from bddseg.specs import Precision


class OnnxRuntime(GraphRuntime):
    """ONNX Runtime, on the CPU, in what the graph says."""

    name = "onnx"

    @classmethod
    def check(cls, precision: Precision) -> None:
        """Check that ONNX Runtime is installed and the precision is fp32."""
        if precision != "fp32":
            raise BddsegError(
                f"The runtime 'onnx' computes in what the file says, not in {precision}.",
                "Leave --precision out.",
            )
        try:
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise BddsegError(
                f"The runtime 'onnx' needs {error.name}.",
                "Install it: pip install 'bddseg[onnx]'.",
            ) from error

    def _compile(self, content: bytes) -> CompiledGraph:
        return Session(content, ["CPUExecutionProvider"])


class Session:
    """A graph in an `onnxruntime.InferenceSession`.

    Args:
        content: An ONNX file.
        providers: Names of ONNX Runtime's execution providers, the preferred one first; or pairs of
            a name and its options.
    """

    def __init__(self, content: bytes, providers: Sequence[str | tuple[str, object]]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Threads that call it compute too.
        num_parallel = get_num_parallel()
        options.intra_op_num_threads = num_parallel * torch.get_num_threads() - (num_parallel - 1)
        # Threads that wait busily slow down everything else on the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # In the session's own threads; see `flush_denormals` of the runtime torch.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            content, sess_options=options, providers=list(providers)
        )
        self.providers: list[str] = session.get_providers()
        self.inputs = [_describe(each) for each in session.get_inputs()]
        self.outputs = [_describe(each) for each in session.get_outputs()]
        self._session: Any = session

    def run(self, images: Tensor, names: Sequence[str]) -> list[Tensor]:
        """Return the outputs of these names: images (N, 3, H, W), float32."""
        arrays = self._session.run(list(names), {self.inputs[0].name: images.numpy()})
        return [torch.from_numpy(array) for array in arrays]


def _describe(tensor: Any) -> TensorInfo:
    shape = [size if isinstance(size, int) else str(size) for size in tensor.shape]
    return TensorInfo(tensor.name, tensor.type.removeprefix("tensor(").removesuffix(")"), shape)

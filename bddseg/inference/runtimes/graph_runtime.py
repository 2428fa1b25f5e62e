"""What the runtimes that run ONNX graphs share."""

import threading
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.graphs import ExportedGraphs
from bddseg.inference.runtimes.onnx_file import (
    TensorInfo,
    check_inputs,
    check_size,
    damaged_file,
    find_outputs,
    read_onnx_file,
    read_options,
    summarize,
)
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.inference.runtimes.torch import flush_denormals
from bddseg.models.layers import get_size
from bddseg.specs import Entry, Precision
from bddseg.types import SizeHW

# Compiled graphs that are kept: test-time augmentation takes six for each size of frame.
_MAX_COMPILED = 8


class CompiledGraph(Protocol):
    """A graph that is ready to run; threads may share it.

    Attributes:
        inputs: Its inputs.
        outputs: Its outputs.
    """

    inputs: list[TensorInfo]
    outputs: list[TensorInfo]

    def run(self, images: Tensor, names: Sequence[str]) -> list[Tensor]:
        """Return the outputs of these names: images (N, 3, H, W), float32, contiguous."""
        ...


class GraphRuntime(Runtime):
    """Runs graphs on the CPU: those of an entry's network, or the one of an ONNX file.

    A subclass says how a graph is compiled, and may read files of other formats.

    Args:
        entry: The model. With an architecture, a graph is exported for each size of input.
            Without, its weights are an ONNX file with one input of images and outputs of logits;
            its options are then `outputs`, the name of each task's output (needed where the file
            has several), and `align_corners`, which is false by default.
        weights: Its checkpoint, or the ONNX file.
        precision: What the network computes in.

    Attributes:
        graphs: The exported graphs; None where the weights are an ONNX file.
        precision: What the network computes in.

    Raises:
        BddsegError: the weights do not fit, or the file is damaged, keeps tensors in other files,
            or has other inputs or outputs than the entry says.
    """

    name: ClassVar[str]
    is_thread_safe = True
    device = torch.device("cpu")
    # In float32, graphs have the products of `WinogradConv2d`: OpenVINO is up to 1.5 times as fast
    # with them. ONNX Runtime needs twice the memory.
    _exports_winograd = False

    def __init__(self, entry: Entry, weights: Path, precision: Precision = "fp32") -> None:
        self._entry = entry
        self._weights = weights
        self.precision = precision
        self._exact: Self | None = None
        self._compiled: OrderedDict[SizeHW | None, CompiledGraph] = OrderedDict()
        self._lock = threading.Lock()
        if entry.architecture:
            self.graphs: ExportedGraphs | None = ExportedGraphs(
                entry, weights, winograd=self._exports_winograd and precision == "fp32"
            )
            self.align_corners = self.graphs.align_corners
            self._outputs = {task: task for task in self.graphs.tasks}
        else:
            self.graphs = None
            names, self.align_corners = read_options(entry)
            graph = self._open_file()
            self._outputs = find_outputs(graph.outputs, names, entry, weights)
            self._compiled[None] = graph

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return "cpu"."""
        return ["cpu"]

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Return an entry's network, ready to run.

        Raises:
            BddsegError: as the class says; or a package is not installed, or there is no such
                device or precision.
        """
        if device not in ("auto", "cpu"):
            raise BddsegError(
                f"The runtime '{cls.name}' has no device '{device}'.", "Use --device cpu."
            )
        cls.check(precision)
        return cls(entry, weights, precision)

    def in_float32(self) -> Self:
        """Return the same network computing in float32."""
        if self.precision == "fp32":
            return self
        with self._lock:
            if self._exact is None:
                self._exact = self._copy_exact()
            return self._exact

    def _copy_exact(self) -> Self:
        return type(self)(self._entry, self._weights)

    @classmethod
    @abstractmethod
    def check(cls, precision: Precision) -> None:
        """Raise a `BddsegError` if a package is missing, or there is no such precision."""

    @abstractmethod
    def _compile(self, content: bytes) -> CompiledGraph:
        """Return a graph ready to run, of the content of an ONNX file."""

    def _open_file(self) -> CompiledGraph:
        """Return the graph of the entry's file, ready to run; its inputs are checked."""
        content = read_onnx_file(self._weights)
        try:
            graph = self._compile(content)
        except BddsegError:
            raise
        except Exception as error:  # the errors of runtimes have no common base class
            raise damaged_file(self._weights, error) from error
        check_inputs(graph.inputs, self._weights)
        check_size(graph.inputs, self._entry, self._weights)
        return graph

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (N, 3, H, W), float32 -> logits (N, K, h, w) of each task.

        Raises:
            BddsegError: the entry's file takes images of another size.
        """
        # In the thread that calls, which computes too.
        flush_denormals()
        graph = self._get_graph(get_size(images))
        takes = graph.inputs[0].shape[2:]
        if any(a != b for a, b in zip(takes, get_size(images), strict=True) if isinstance(a, int)):
            raise BddsegError(
                f"An input of the network has {'x'.join(map(str, get_size(images)))} pixels "
                f"(height x width), and {self._weights} takes {'x'.join(map(str, takes))} only.",
                "Use frames of the size that it was made for, or the model that it was made from.",
            )
        # A graph that was made for one image at a time takes no more.
        one_by_one = isinstance(graph.inputs[0].shape[0], int)
        parts = torch.split(images, 1) if one_by_one else (images,)
        names = [*self._outputs.values()]
        results = [graph.run(part.contiguous(), names) for part in parts]
        return {
            task: torch.cat(logits) if len(logits) > 1 else logits[0]
            for task, logits in zip(self._outputs, zip(*results, strict=True), strict=True)
        }

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:  # noqa: ARG002
        """Return 1: a CPU gains nothing from larger batches."""
        infer_one()
        return 1

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether an allocation failed."""
        return "Failed to allocate memory" in str(error) or "bad_alloc" in str(error)

    def _get_graph(self, size_hw: SizeHW) -> CompiledGraph:
        """Return the compiled graph for a size; of several sizes, the last ones used are kept."""
        key = size_hw if self.graphs else None
        with self._lock:
            graph = self._compiled.get(key)
            if graph is None:
                graph = self._compiled[key] = self._make_graph(size_hw)
            self._compiled.move_to_end(key)
            while len(self._compiled) > _MAX_COMPILED:
                self._compiled.popitem(last=False)
            return graph

    def _make_graph(self, size_hw: SizeHW) -> CompiledGraph:
        assert self.graphs is not None
        content = self.graphs.read(size_hw)
        try:
            return self._compile(content)
        except BddsegError:
            raise
        except Exception as error:  # the errors of runtimes have no common base class
            raise BddsegError(
                f"The runtime '{self.name}' cannot run {self._entry.name}: {summarize(error)}.",
                "Use --runtime torch.",
            ) from error

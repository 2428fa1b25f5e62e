"""The graph of a network, as other runtimes and exported files need it."""

import copy
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from bddseg.errors import BddsegError
from bddseg.inference.postprocess import apply_class_map, argmax, mark_not_finite
from bddseg.inference.sliding_window import list_crops
from bddseg.models.layers import get_size, resize
from bddseg.models.network import Network
from bddseg.specs import SlidingWindow
from bddseg.types import SizeHW

# Name of the graph's input: images (N, 3, H, W), float32, as preprocessing makes them. Its outputs
# have the names of the tasks.
INPUT_NAME = "images"


class FullSizeNetwork(nn.Module):
    """A network whose logits have the size of its input.

    Args:
        network: In evaluation mode.
        class_maps: Tasks, in the order of the outputs, each with its class map; an empty one leaves
            the network's order of classes.
        labels: Return class ids instead of logits.
        window: Run the network on these crops, all in one batch, and average their logits.
    """

    def __init__(
        self,
        network: Network,
        class_maps: Mapping[str, Sequence[int]],
        *,
        labels: bool = False,
        window: SlidingWindow | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._class_maps = {task: tuple(class_map) for task, class_map in class_maps.items()}
        self._labels = labels
        self._window = window
        self._half = False

    def to_half(self) -> Self:
        """Return a copy whose network computes in float16; inputs and logits stay float32."""
        copied = copy.deepcopy(self)
        cast(nn.Module, copied.network).half()
        copied._half = True
        return copied

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) -> each task's logits (N, K, H, W), or class ids (N, H, W), uint8.

        Class ids of an image whose logits are not finite are 255.
        """
        outputs = self._run(images) if self._window is None else self._slide(images, self._window)
        results = []
        for task, class_map in self._class_maps.items():
            logits = apply_class_map(outputs[task], class_map)
            results.append(mark_not_finite(argmax(logits), logits) if self._labels else logits)
        return tuple(results)

    def _run(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.network(images.half() if self._half else images)
        named = dict.fromkeys(self._class_maps, outputs) if isinstance(outputs, Tensor) else outputs
        return {
            task: resize(
                named[task].float(), get_size(images), align_corners=self.network.align_corners
            )
            for task in self._class_maps
        }

    def _slide(self, images: Tensor, window: SlidingWindow) -> dict[str, Tensor]:
        """Average the logits of crops, as `sliding_window.compute_logits` does for one image."""
        height, width = get_size(images)
        crops = list_crops((height, width), window)
        outputs = self._run(torch.cat([images[:, :, rows, columns] for rows, columns in crops]))

        def add_up(parts: Iterable[Tensor]) -> Tensor:
            borders = [(c.start, width - c.stop, r.start, height - r.stop) for r, c in crops]
            return reduce(torch.add, map(F.pad, parts, borders))

        ones = (torch.ones(1, 1, r.stop - r.start, c.stop - c.start) for r, c in crops)
        count = add_up(ones)
        return {task: add_up(logits.chunk(len(crops))) / count for task, logits in outputs.items()}


def export_onnx(
    network: Network,
    size_hw: SizeHW,
    class_maps: Mapping[str, Sequence[int]],
    *,
    labels: bool = False,
) -> bytes:
    """Return an ONNX file of a network for one image at a time, of one size.

    Its input is `INPUT_NAME`, (1, 3, H, W), float32; see `FullSizeNetwork` for the rest. It goes
    through `torch.export`, so its operations are those of the network in eager mode.

    Args:
        network: On the CPU, in evaluation mode, with its weights.
        size_hw: Size of the input.
        class_maps: Tasks, in the order of the outputs, each with its class map or an empty one.
        labels: Class ids in place of logits.

    Raises:
        BddsegError: onnx or onnxscript is not installed, or an operation cannot be exported.
    """
    module = FullSizeNetwork(network, class_maps, labels=labels).eval()
    return to_onnx(trace(module, size_hw), list(class_maps))


def trace(module: FullSizeNetwork, size_hw: SizeHW, *, dynamic: bool = False) -> ExportedProgram:
    """Return the graph of a network for one image at a time.

    Args:
        module: In evaluation mode.
        size_hw: Size of the input.
        dynamic: Take other sizes, too. What the network decides by the size is decided as for
            `size_hw`, so results have to be checked for others.

    Raises:
        BddsegError: an operation cannot be exported.
    """
    settings: dict[str, Any] = {}
    if dynamic:
        # Such guards as "an eighth of the height is not the height" cannot be proven.
        settings = {
            "dynamic_shapes": ({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},),
            "prefer_deferred_runtime_asserts_over_guards": True,
        }
    what = "images of any size" if dynamic else f"images of {size_hw[0]}x{size_hw[1]} pixels"
    hint = "Give the input a size." if dynamic else "Use the runtime torch, or another size."
    with _explain(f"{type(module.network).__name__} cannot be exported for {what}", hint):
        return torch.export.export(module, (torch.zeros(1, 3, *size_hw),), **settings)


def to_onnx(program: ExportedProgram, tasks: Sequence[str]) -> bytes:
    """Return a graph as an ONNX file whose outputs have the names of tasks.

    Raises:
        BddsegError: onnx or onnxscript is not installed, or ONNX has none of its operations.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BddsegError(
            f"Exporting a network needs {error.name}.", "Install it: pip install 'bddseg[onnx]'."
        ) from error
    with _explain("The network cannot be exported to ONNX", "Use the runtime torch."):
        result = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=[INPUT_NAME],
            output_names=list(tasks),
            external_data=False,
            verbose=False,
        )
        model = result.model_proto  # type: ignore[union-attr]
    # The exporter notes for each operation which lines of which files it is from.
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            del node.metadata_props[:]
    return cast(bytes, model.SerializeToString())


def _find_cause(error: BaseException) -> str:
    """Return the first line of what the exporter's error comes from: it names the operation."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _explain(problem: str, hint: str) -> Iterator[None]:
    """Run torch's exporter: quietly, and with its errors as ours."""
    # They tell their developers much.
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # the exporter's own errors have no common base class
        raise BddsegError(f"{problem}: {_find_cause(error)}", hint) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

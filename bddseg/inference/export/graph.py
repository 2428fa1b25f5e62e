"""The graph of a network, as other runtimes and exported files need it."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.inference.postprocess import apply_class_map, argmax
from bddseg.models.layers import get_size, resize
from bddseg.models.network import Network
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
    """

    def __init__(
        self, network: Network, class_maps: Mapping[str, Sequence[int]], *, labels: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self._class_maps = {task: tuple(class_map) for task, class_map in class_maps.items()}
        self._labels = labels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) -> each task's logits (N, K, H, W), or class ids (N, H, W), uint8."""
        outputs = self.network(images)
        results = []
        for task, class_map in self._class_maps.items():
            logits = outputs if isinstance(outputs, Tensor) else outputs[task]
            full = resize(logits, get_size(images), align_corners=self.network.align_corners)
            mapped = apply_class_map(full, class_map)
            results.append(argmax(mapped) if self._labels else mapped)
        return tuple(results)


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
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BddsegError(
            f"Exporting a network needs {error.name}.", "Install it: pip install 'bddseg[onnx]'."
        ) from error
    module = FullSizeNetwork(network, class_maps, labels=labels).eval()
    images = torch.zeros(1, 3, *size_hw)
    try:
        with torch.no_grad(), _silence_exporter():
            program = torch.onnx.export(
                module,
                (images,),
                dynamo=True,
                input_names=[INPUT_NAME],
                output_names=list(class_maps),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter's own errors have no common base class
        raise BddsegError(
            f"{type(network).__name__} cannot be exported for images of {size_hw[0]}x{size_hw[1]} "
            f"pixels (height x width): {_find_cause(error)}",
            "Use the runtime torch, or another size.",
        ) from error
    return cast(bytes, program.model_proto.SerializeToString())  # type: ignore[union-attr]


def _find_cause(error: BaseException) -> str:
    """Return the first line of what the exporter's error comes from: it names the operation."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _silence_exporter() -> Iterator[None]:
    """Keep back what torch's exporter tells its developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""Networks in files of OpenVINO's own format, an .xml with a .bin beside it, on the CPU."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.openvino import compile_on_cpu
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.models.build import count_classes
from bddseg.models.layers import get_size
from bddseg.specs import Entry, Precision

# Where the .xml tells the SHA-256 of its .bin: then the checksum of the one vouches for both.
BIN_SHA256 = ("bddseg", "bin_sha256")
ALIGN_CORNERS = "align_corners"


class OpenVinoIrRuntime(Runtime):
    """An OpenVINO model for one image at a time, of one size.

    Args:
        model: An `openvino.Model` whose input is (1, 3, H, W), float32, and whose outputs are the
            logits of each task.
        tasks: Names of the tasks, in the order of the outputs.
        align_corners: How its logits are to be interpolated.
    """

    device = torch.device("cpu")

    def __init__(self, model: Any, tasks: Sequence[str], *, align_corners: bool) -> None:
        self.align_corners = align_corners
        self._tasks = tuple(tasks)
        self._size_hw = tuple(model.input(0).shape)[2:]
        self._compiled = compile_on_cpu(model)

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return "cpu"."""
        return ["cpu"]

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Open an .xml file that fits the entry; its outputs are those of the entry's tasks.

        The entry's option is `align_corners`, which is false by default.

        Raises:
            BddsegError: OpenVINO is not installed; a file is missing or damaged, or does not fit
                the entry; another device or precision is asked for.
        """
        if device not in ("auto", "cpu"):
            raise BddsegError(
                f"The runtime 'openvino_ir' has no device '{device}'.", "Use --device cpu."
            )
        if precision != "fp32":
            raise BddsegError(
                f"The runtime 'openvino_ir' computes in what the file says, not in {precision}.",
                "Leave --precision out.",
            )
        unknown = set(entry.options) - {ALIGN_CORNERS}
        if unknown:
            raise BddsegError(
                f"{entry.name}: the option of an OpenVINO file is {ALIGN_CORNERS}, not "
                f"{', '.join(sorted(unknown))}.",
                "Correct its entry.",
            )
        model = _read(weights)
        tasks = (entry.task, *entry.extra_tasks)
        _check_ports(model, entry, tasks, weights)
        return cls(model, tasks, align_corners=bool(entry.options.get(ALIGN_CORNERS, False)))

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (N, 3, H, W), float32 -> logits (N, K, h, w) of each task.

        Raises:
            BddsegError: the images have another size than the model takes.
        """
        if get_size(images) != self._size_hw:
            height, width = get_size(images)
            raise BddsegError(
                f"An input of the network has {height}x{width} pixels (height x width), and the "
                f"OpenVINO file takes {'x'.join(map(str, self._size_hw))} only.",
                "Use frames of the size that it was made for, or the model that it was made from.",
            )
        # Each call has its own request, so threads can share the network.
        requests = [self._compiled.create_infer_request() for _ in images]
        results = [
            request.infer(image[None].numpy())
            for request, image in zip(requests, images, strict=True)
        ]
        return {
            task: torch.cat([torch.from_numpy(result[number]) for result in results])
            for number, task in enumerate(self._tasks)
        }

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:  # noqa: ARG002
        """Return 1: a CPU gains nothing from larger batches."""
        infer_one()
        return 1

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether an allocation failed."""
        return "bad_alloc" in str(error)


def _read(path: Path) -> Any:
    """Return the `openvino.Model` of a file."""
    try:
        import openvino
    except ImportError as error:
        raise BddsegError(
            f"The runtime 'openvino_ir' needs {error.name}.",
            "Install it: pip install 'bddseg[openvino]'.",
        ) from error
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


def _check_ports(model: Any, entry: Entry, tasks: Sequence[str], path: Path) -> None:
    """Refuse a model whose inputs or outputs are not those of the entry."""
    shapes = [[str(size) for size in port.partial_shape] for port in model.inputs]
    (shape, *more) = shapes or [[]]
    if more or len(shape) != 4 or shape[:2] != ["1", "3"] or not all(map(str.isdigit, shape)):
        raise BddsegError(
            f"{path} has inputs of the shapes {shapes}, expected one of (1, 3, H, W).",
            "Make it with `bddseg quantize`.",
        )
    wanted = [str(count_classes(entry, task)) for task in tasks]
    found = [
        str(port.partial_shape[1]) if len(port.partial_shape) == 4 else "?"
        for port in model.outputs
    ]
    if found != wanted:
        raise BddsegError(
            f"{path} has outputs of {', '.join(found) or 'no'} channels, and the tasks of the "
            f"entry {entry.name} ({', '.join(tasks)}) have {', '.join(wanted)} classes.",
            "Correct task, extra_tasks or class_map in its entry.",
        )

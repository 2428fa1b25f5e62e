"""Networks in ONNX files, of any framework, run by ONNX Runtime on the CPU."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.models.build import count_classes
from bddseg.specs import Entry, Precision

_INSTALL = "Install it: pip install 'bddseg[onnx]'."


class OnnxRuntime(Runtime):
    """A network in an ONNX file: one input of images, and outputs of logits.

    Args:
        session: An `onnxruntime.InferenceSession`.
        outputs: Name of the output of each task.
        align_corners: How its logits are to be interpolated.
    """

    device = torch.device("cpu")

    def __init__(self, session: Any, outputs: Mapping[str, str], *, align_corners: bool) -> None:
        self.align_corners = align_corners
        self._session = session
        self._outputs = dict(outputs)
        (image,) = session.get_inputs()
        self._input = image.name
        # A file that was exported for one image at a time takes no more.
        self._takes_batches = not isinstance(image.shape[0], int)

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return "cpu"."""
        return ["cpu"]

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Open an ONNX file that fits the entry.

        The entry's options are `outputs`, the name of each task's output in the file (needed where
        the file has several), and `align_corners`, which is false by default.

        Raises:
            BddsegError: ONNX Runtime is not installed; the file is damaged, keeps tensors in other
                files, or has other inputs or outputs than the entry says; another device or
                precision is asked for.
        """
        if device not in ("auto", "cpu"):
            raise BddsegError(f"The runtime 'onnx' has no device '{device}'.", "Use --device cpu.")
        if precision != "fp32":
            raise BddsegError(
                f"The runtime 'onnx' computes in what the file says, not in {precision}.",
                "Leave --precision out.",
            )
        options = dict(entry.options)
        align_corners = bool(options.pop("align_corners", False))
        outputs = options.pop("outputs", {})
        if options or not isinstance(outputs, dict):
            raise BddsegError(
                f"{entry.name}: the options of an ONNX file are outputs (a table) and "
                f"align_corners, not {', '.join(options) or outputs}.",
                "Correct its entry.",
            )
        session = _open(weights)
        _check_input(session, entry, weights)
        return cls(
            session, _find_outputs(session, entry, outputs, weights), align_corners=align_corners
        )

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (N, 3, H, W), float32 -> logits (N, K, h, w) of each task."""
        parts = [images] if self._takes_batches else [image[None] for image in images]
        names = list(self._outputs.values())
        results = [self._session.run(names, {self._input: part.numpy()}) for part in parts]
        return {
            task: torch.cat([torch.from_numpy(each) for each in arrays])
            for task, arrays in zip(self._outputs, zip(*results, strict=True), strict=True)
        }

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:  # noqa: ARG002
        """Return 1: a CPU gains nothing from larger batches."""
        infer_one()
        return 1

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether an allocation of ONNX Runtime failed."""
        return "Failed to allocate memory" in str(error)


def _open(path: Path) -> Any:
    """Return a session of a file that is complete in itself.

    Tensors in other files are refused: their paths come from the file, and could lead anywhere.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise BddsegError(f"The runtime 'onnx' needs {error.name}.", _INSTALL) from error
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
    except OSError as error:
        raise BddsegError(
            f"There is no weights file {path}: {error.strerror}.", "Check the path."
        ) from error
    except Exception as error:  # protobuf's errors have no public base class
        raise _damaged(path, error) from error
    for tensor in _list_tensors(model.graph, model.functions):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            locations = [each.value for each in tensor.external_data if each.key == "location"]
            raise BddsegError(
                f"{path} keeps the tensor {tensor.name} in another file: {', '.join(locations)}.",
                "Save the model with all its weights in the one file.",
            )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait busily slow down everything else on the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            content, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no public base class either
        raise _damaged(path, error) from error


def _list_tensors(graph: Any, functions: Iterable[Any] = ()) -> Iterator[Any]:
    """Yield all tensors of a graph, of its functions and of the graphs inside."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in (*graph.node, *(node for function in functions for node in function.node)):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _list_tensors(inner)


def _damaged(path: Path, error: Exception) -> BddsegError:
    cause = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BddsegError(
        f"{path} cannot be read as an ONNX file: {cause}.",
        "The file is damaged or not an ONNX model; download or export it again.",
    )


def _check_input(session: Any, entry: Entry, path: Path) -> None:
    inputs = session.get_inputs()
    listed = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
    image = inputs[0]
    is_image = len(image.shape) == 4 and (image.shape[1] == 3 or isinstance(image.shape[1], str))
    if len(inputs) != 1 or image.type != "tensor(float)" or not is_image:
        raise BddsegError(
            f"{path} has the input {listed}, expected one of float images (N, 3, H, W).",
            "Export the model with that input.",
        )
    fixed = tuple(size for size in image.shape[2:] if isinstance(size, int))
    spec = entry.preprocessing
    if fixed and (not spec.has_fixed_size or fixed != spec.size_hw):
        said = "x".join(map(str, spec.size_hw)) if spec.has_fixed_size else "any size that fits"
        raise BddsegError(
            f"{path} takes images of {'x'.join(map(str, image.shape[2:]))} pixels (height x "
            f"width), but the entry {entry.name} says {said}.",
            "Correct size_hw in its preprocessing, and set keep_ratio = false or a pad_value.",
        )


def _find_outputs(
    session: Any, entry: Entry, names: Mapping[str, str], path: Path
) -> dict[str, str]:
    """Return the name of each task's output."""
    known = {each.name: each for each in session.get_outputs()}
    if not names and len(known) == 1:
        names = {entry.task: next(iter(known))}
    tasks = (entry.task, *entry.extra_tasks)
    for task in tasks:
        output = known.get(names.get(task, ""))
        if output is None:
            raise BddsegError(
                f"{path} has the outputs {', '.join(known)}; the entry {entry.name} has to say "
                f"which one is of the task '{task}'.",
                f'Write [entry.options.outputs] {task} = "NAME" in it.',
            )
        classes = count_classes(entry, task)
        channels = output.shape[1] if len(output.shape) == 4 else output.shape
        if output.type != "tensor(float)" or (
            channels != classes and not isinstance(channels, str)
        ):
            raise BddsegError(
                f"The output {output.name} of {path} is {output.type} {output.shape}, expected "
                f"float logits (N, {classes}, h, w) for the task '{task}'.",
                "Name another output, or correct the class_map of its entry.",
            )
    return {task: names[task] for task in tasks}

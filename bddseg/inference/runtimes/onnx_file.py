"""ONNX files that users bring: read with care, and checked against their entry."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bddseg.errors import BddsegError
from bddseg.models.build import count_classes
from bddseg.specs import Entry

# What OpenVINO puts before and around the cause.
_NOISE = re.compile(r"\s*$|Exception from |Check '|FrontEnd API|Model wasn't|Summary:")
_NUM_LINES = 2


class TensorInfo(NamedTuple):
    """An input or an output of a graph.

    Attributes:
        name: Name of the tensor.
        type: Type of its elements; "float" is float32.
        shape: Numbers, and names of what the file leaves open.
    """

    name: str
    type: str
    shape: Sequence[int | str]

    def __str__(self) -> str:
        return f"{self.name} tensor({self.type}) [{', '.join(map(str, self.shape))}]"


class FileOptions(NamedTuple):
    """The options of an entry whose weights are an ONNX file.

    Attributes:
        outputs: Name of the output of each task; needed where the file has several.
        align_corners: How its logits are to be interpolated; by default false.
    """

    outputs: Mapping[str, str]
    align_corners: bool


def read_options(entry: Entry) -> FileOptions:
    """Return the options of an entry whose weights are an ONNX file.

    Raises:
        BddsegError: it has others.
    """
    options = dict(entry.options)
    align_corners = bool(options.pop("align_corners", False))
    outputs = options.pop("outputs", {})
    if options or not isinstance(outputs, dict):
        raise BddsegError(
            f"{entry.name}: the options of an ONNX file are outputs (a table) and "
            f"align_corners, not {', '.join(options) or outputs}.",
            "Correct its entry.",
        )
    return FileOptions(outputs, align_corners)


def read_onnx_file(path: Path) -> bytes:
    """Return the content of an ONNX file that is complete in itself.

    Tensors in other files are refused: their paths come from the file, and could lead anywhere.

    Raises:
        BddsegError: it is missing, damaged, or keeps tensors in other files; or onnx is not
            installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise BddsegError(
            f"Reading {path} needs {error.name}.", "Install it: pip install 'bddseg[onnx]'."
        ) from error
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
    except OSError as error:
        raise BddsegError(
            f"There is no weights file {path}: {error.strerror}.", "Check the path."
        ) from error
    except Exception as error:  # protobuf's errors have no public base class
        raise damaged_file(path, error) from error
    for tensor in _list_tensors(model.graph, model.functions):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            locations = [each.value for each in tensor.external_data if each.key == "location"]
            raise BddsegError(
                f"{path} keeps the tensor {tensor.name} in another file: {', '.join(locations)}.",
                "Save the model with all its weights in the one file.",
            )
    return content


def damaged_file(path: Path, error: Exception) -> BddsegError:
    """Return the error for a file that cannot be read, or that a runtime cannot take."""
    return BddsegError(
        f"{path} cannot be read as an ONNX file: {summarize(error)}.",
        "It is damaged, not an ONNX model, or of operations that the runtime lacks: download or "
        "export it again, or use another --runtime.",
    )


def summarize(error: Exception) -> str:
    """Return what an error of a runtime says of its cause: it names the operation."""
    lines = [line.strip("- ") for line in str(error).splitlines() if not _NOISE.match(line)]
    return " ".join(lines[:_NUM_LINES]).rstrip(". ") or type(error).__name__


def check_size(inputs: Sequence[TensorInfo], entry: Entry, path: Path) -> None:
    """Check that a file takes images of the size that the entry makes.

    Raises:
        BddsegError: it takes those of another size only.
    """
    sizes = inputs[0].shape[2:]
    fixed = tuple(size for size in sizes if isinstance(size, int))
    spec = entry.preprocessing
    if fixed and (not spec.has_fixed_size or fixed != spec.size_hw):
        said = "x".join(map(str, spec.size_hw)) if spec.has_fixed_size else "any size that fits"
        raise BddsegError(
            f"{path} takes images of {'x'.join(map(str, sizes))} pixels (height x width), but the "
            f"entry {entry.name} says {said}.",
            "Correct size_hw in its preprocessing, and set keep_ratio = false or a pad_value.",
        )


def check_inputs(inputs: Sequence[TensorInfo], path: Path) -> None:
    """Check that a file takes one batch of images.

    Raises:
        BddsegError: it takes something else.
    """
    image = inputs[0] if inputs else TensorInfo("", "", ())
    is_image = len(image.shape) == 4 and (image.shape[1] == 3 or isinstance(image.shape[1], str))
    if len(inputs) != 1 or image.type != "float" or not is_image:
        found = ", ".join(map(str, inputs)) or "none"
        raise BddsegError(
            f"{path} has the input {found}, expected one of float images (N, 3, H, W).",
            "Export the model with that input.",
        )


def find_outputs(
    outputs: Sequence[TensorInfo], names: Mapping[str, str], entry: Entry, path: Path
) -> dict[str, str]:
    """Return the name of each task's output.

    Raises:
        BddsegError: a task has none, or one of another number of classes.
    """
    known = {each.name: each for each in outputs}
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
        channels = output.shape[1] if len(output.shape) == 4 else -1
        if output.type != "float" or (channels != classes and not isinstance(channels, str)):
            raise BddsegError(
                f"{path} has the output {output}, expected float logits (N, {classes}, h, w) for "
                f"the task '{task}'.",
                "Name another output, or correct the class_map of its entry.",
            )
    return {task: names[task] for task in tasks}


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

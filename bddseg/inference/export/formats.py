"""The formats of exported files: what each one writes, and how it is opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch.export import ExportedProgram

from bddseg.errors import BddsegError

# Inputs (1, 3, H, W), float32 -> the outputs, in the order of the tasks.
RunGraph = Callable[[npt.NDArray[Any]], Sequence[npt.NDArray[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of exported files.

    Attributes:
        files: Names of the files that `write` writes, the model first.
        packages: What `write` and `open_file` need besides torch.
        half_in_graph: With fp16, whether the graph itself computes in float16; otherwise `write` or
            the runtime takes care of it.
        write: Write a graph with these outputs to a folder; the last argument is whether it is to
            compute in fp16.
        open_file: Return a function that runs the file of a folder.
        requirements: Packages that the example needs besides NumPy and OpenCV.
        example: Its lines that open the file: they define `run(images)`, and may use `FOLDER`.
    """

    files: tuple[str, ...]
    packages: tuple[str, ...] = ()
    half_in_graph: bool = False
    write: Callable[[ExportedProgram, Sequence[str], Path, bool], None]
    open_file: Callable[[Path], RunGraph]
    requirements: str
    example: str


def load_format(name: str) -> Format:
    """Return a format.

    Raises:
        BddsegError: there is no such format, or one of its packages is not installed.
    """
    from importlib.util import find_spec

    from bddseg.errors import unknown_name

    formats = _get_formats()
    if name not in formats:
        raise unknown_name("export format", name, formats)
    for package in formats[name].packages:
        if find_spec(package) is None:
            extra = "openvino" if name == "openvino" else "onnx"
            raise BddsegError(
                f"Exporting to {name} needs {package}.",
                f"Install it: pip install 'bddseg[{extra}]'",
            )
    return formats[name]


def list_file_names() -> set[str]:
    """Return the names of the files of all formats."""
    return {name for form in _get_formats().values() for name in form.files}


def _get_formats() -> dict[str, Format]:
    from bddseg.inference.export.onnx import ONNX, TENSORRT
    from bddseg.inference.export.openvino import OPENVINO
    from bddseg.inference.export.pt2 import PT2

    return {"onnx": ONNX, "openvino": OPENVINO, "pt2": PT2, "tensorrt": TENSORRT}

"""OpenVINO's own files: a network in XML, and its weights."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch.export import ExportedProgram

from bddseg.inference.export.formats import Format, RunGraph
from bddseg.inference.export.graph import to_onnx

_MODEL_NAME = "model.xml"


def _write(program: ExportedProgram, tasks: Sequence[str], folder: Path, half: bool) -> None:
    """Convert by way of ONNX: such networks are faster than those converted from torch."""
    from openvino import Core, save_model

    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.onnx"
        path.write_bytes(to_onnx(program, tasks))
        save_model(Core().read_model(path), folder / _MODEL_NAME, compress_to_fp16=half)


def _open(folder: Path) -> RunGraph:
    from openvino import Core

    model = Core().compile_model(folder / _MODEL_NAME, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: list(model(images).to_tuple())


OPENVINO = Format(
    files=(_MODEL_NAME, "model.bin"),
    packages=("onnx", "onnxscript", "openvino"),
    write=_write,
    open_file=_open,
    requirements="openvino",
    # On some CPUs OpenVINO would compute in bfloat16.
    example=f"""\
# "GPU" is a GPU of Intel's. Without the hint, some devices compute in half precision: faster.
model = openvino.Core().compile_model(
    FOLDER / "{_MODEL_NAME}", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}}
)


def run(images):
    return model(images).to_tuple()""",
)

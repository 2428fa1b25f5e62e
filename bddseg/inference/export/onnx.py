"""ONNX files, for ONNX Runtime and for TensorRT."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch.export import ExportedProgram

from bddseg.inference.export.formats import Format, RunGraph
from bddseg.inference.export.graph import INPUT_NAME, to_onnx

MODEL_NAME = "model.onnx"
_SCRIPT_NAME = "build_engine.sh"


def _write(program: ExportedProgram, tasks: Sequence[str], folder: Path, _half: bool) -> None:
    (folder / MODEL_NAME).write_bytes(to_onnx(program, tasks))


def _write_for_tensorrt(
    program: ExportedProgram, tasks: Sequence[str], folder: Path, half: bool
) -> None:
    _write(program, tasks, folder, half)
    (folder / _SCRIPT_NAME).write_text(_SCRIPT.replace("OPTIONS", "--fp16" if half else "--noTF32"))


def _open(folder: Path) -> RunGraph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Errors are raised as well.
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        folder / MODEL_NAME, sess_options=options, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {INPUT_NAME: images})


_SCRIPT = f"""#!/bin/sh
# Builds model.engine with TensorRT, on the machine that is to run it: an engine fits one kind of
# GPU and one version of TensorRT. bddseg checked model.onnx on a CPU; this script was never run on
# a GPU. Compare the engine's labels with those of example.py.
cd "$(dirname "$0")" || exit 1
trtexec --onnx={MODEL_NAME} --saveEngine=model.engine OPTIONS
"""

ONNX = Format(
    files=(MODEL_NAME,),
    packages=("onnx", "onnxscript", "onnxruntime"),
    half_in_graph=True,
    write=_write,
    open_file=_open,
    requirements="onnxruntime (or onnxruntime-gpu)",
    example=f"""\
session = onnxruntime.InferenceSession(
    FOLDER / "{MODEL_NAME}", providers=onnxruntime.get_available_providers()
)


def run(images):
    return session.run(None, {{"{INPUT_NAME}": images}})""",
)
# TensorRT itself computes in half precision, where it thinks fit.
TENSORRT = replace(
    ONNX, files=(MODEL_NAME, _SCRIPT_NAME), half_in_graph=False, write=_write_for_tensorrt
)

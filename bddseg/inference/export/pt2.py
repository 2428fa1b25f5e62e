"""Graphs of `torch.export`, for PyTorch alone."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch.export import ExportedProgram

from bddseg.inference.export.formats import Format, RunGraph

_MODEL_NAME = "model.pt2"


def _write(program: ExportedProgram, _tasks: Sequence[str], folder: Path, _half: bool) -> None:
    with warnings.catch_warnings():
        # About weights that share memory, as copies on a GPU would not.
        warnings.simplefilter("ignore", UserWarning)
        torch.export.save(program, folder / _MODEL_NAME)


def _open(folder: Path) -> RunGraph:
    module = torch.export.load(folder / _MODEL_NAME).module()

    def run(images: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        with torch.inference_mode():
            return [output.numpy() for output in module(torch.from_numpy(images))]

    return run


PT2 = Format(
    files=(_MODEL_NAME,),
    half_in_graph=True,
    write=_write,
    open_file=_open,
    requirements="torch",
    example=f"""\
module = torch.export.load(FOLDER / "{_MODEL_NAME}").module()
torch.set_flush_denormal(True)


def run(images):
    with torch.inference_mode():
        return [output.numpy() for output in module(torch.from_numpy(images))]""",
)

"""Exporting a model: a file for another runtime, and what is needed to use it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import msgspec
import torch

from bddseg.data.preprocess import get_input_size
from bddseg.data.sources.source import Selection, group_frames, open_source
from bddseg.errors import BddsegError, quote
from bddseg.inference.export.description import describe, make_entry
from bddseg.inference.export.example import write_example
from bddseg.inference.export.formats import Format, list_file_names, load_format
from bddseg.inference.export.graph import FullSizeNetwork, trace
from bddseg.inference.export.onnx import MODEL_NAME
from bddseg.inference.export.parity import ExportedRuntime, compare, compare_other_sizes
from bddseg.inference.export.spec import (
    MIN_EQUAL,
    NUM_FRAMES,
    Exported,
    ExportFormat,
    ExportPrecision,
    ExportSpec,
    Parity,
)
from bddseg.inference.predictor import Predictor
from bddseg.inference.run import describe_weights
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.inference.runtimes.torch import TorchRuntime, flush_denormals
from bddseg.io.atomic import write_error
from bddseg.io.overwrite import refuse_overwriting
from bddseg.models.load import load_network
from bddseg.models.network import Network
from bddseg.specs import Entry, Weights
from bddseg.types import Image, SizeHW
from bddseg.zoo.catalog import find_entry, format_entry
from bddseg.zoo.download import get_weights

_DESCRIPTION, _EXAMPLE, _PARITY, _ENTRY = "model.json", "example.py", "parity.json", "entry.toml"


def export(
    model: str | Path | Entry,
    out: str | Path,
    *,
    frames: str | Path,
    limit: int = NUM_FRAMES,
    to: ExportFormat = "onnx",
    size: SizeHW | Literal["dynamic"] | None = None,
    with_argmax: bool = False,
    precision: ExportPrecision = "fp32",
    tasks: Sequence[str] = (),
    weights: str | Path | None = None,
    min_equal: float = MIN_EQUAL,
    overwrite: bool = False,
) -> Exported:
    """Write a model as a file that other software runs: `bddseg export` as a function.

    Beside the file are `model.json`, which says what it takes and returns; `example.py`, which runs
    it without bddseg; `parity.json`, which compares it with torch; and, where `bddseg infer` can
    run the file, `entry.toml`.

    Args:
        model: A model's name, the path of an entry's TOML file, or an entry.
        out: Folder of the files.
        frames: Frames to compare the file with torch on: any source.
        limit: Only the first N frames.
        to: "onnx", "openvino", "pt2" (of `torch.export`) or "tensorrt" (an ONNX file, and the
            command that builds an engine).
        size: Of the network's input, (H, W) in pixels, or "dynamic" for any. Without, it is the
            model's or, of models that keep the frame's aspect ratio, that for the first frame.
        with_argmax: The file returns class ids instead of logits.
        precision: "fp16" halves the file; what computes in it depends on the runtime.
        tasks: Which of the model's tasks are outputs; without, the main one.
        weights: A checkpoint file; without, the entry's own, downloaded if necessary.
        min_equal: Share of pixels, 0 to 1, whose labels have to equal those of torch.
        overwrite: Replace the files of an earlier export.

    Raises:
        BddsegError: the model cannot be exported so, or too few labels are equal; the files are
            there in that case.
    """
    entry = find_entry(model)
    spec = ExportSpec(
        entry=entry,
        weights=Path(weights) if weights else get_weights(entry),
        frames=str(frames),
        limit=limit,
        out=Path(out),
        to=to,
        size=size,
        with_argmax=with_argmax,
        precision=precision,
        tasks=tuple(tasks),
        overwrite=overwrite,
    )
    exported = run_export(spec)
    exported.check(min_equal)
    return exported


def run_export(spec: ExportSpec) -> Exported:
    """Write the files of an export; whether enough labels are equal is for the caller to check.

    Raises:
        BddsegError: the model cannot be exported so, or a file cannot be written.
    """
    form = load_format(spec.to)
    _check_entry(spec)
    names = _list_names(spec, form)
    targets = [spec.out / name for name in names]
    refuse_overwriting(targets, [spec.weights], overwrite=spec.overwrite)
    frames = _read_frames(spec)
    size_hw = _choose_size(spec, next(iter(frames.values())))
    try:
        spec.out.mkdir(parents=True, exist_ok=True)
        # The files replace those of an earlier export when all of them are complete.
        with TemporaryDirectory(prefix=".bddseg-", dir=spec.out) as temporary:
            folder = Path(temporary)
            parity = _write(spec, form, size_hw, frames, folder)
            outdated = _list_earlier(spec.out) - {*names}
            for name in names:
                (folder / name).replace(spec.out / name)
            for name in outdated:
                (spec.out / name).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(spec.out, error) from error
    return Exported(
        out=spec.out, files=names, size_hw=None if spec.is_dynamic else size_hw, parity=parity
    )


def _check_entry(spec: ExportSpec) -> None:
    entry = spec.entry
    if not entry.architecture:
        raise BddsegError(
            f"The network of {entry.name} is in a file already, for the runtime {entry.runtime}: "
            f"{spec.weights}.",
            "Copy that file; `bddseg export` is for networks of torch.",
        )
    if spec.is_dynamic and entry.sliding_window is not None:
        raise BddsegError(
            f"{entry.name} runs on crops, whose number depends on the size of the frame, so it "
            "cannot be exported for any size.",
            f"Leave --size out, or give one: bddseg export {quote(entry.short_name)} --size HxW",
        )


def _list_names(spec: ExportSpec, form: Format) -> tuple[str, ...]:
    names = (*form.files, _DESCRIPTION, _EXAMPLE, _PARITY)
    # The runtime onnx takes logits, and computes labels itself.
    return (*names, _ENTRY) if MODEL_NAME in form.files and not spec.with_argmax else names


class _Earlier(msgspec.Struct):
    """What the description of an earlier export says of its files."""

    files: frozenset[str] = frozenset()


def _list_earlier(out: Path) -> frozenset[str]:
    """Return the names of the files that an earlier export wrote to the folder."""
    try:
        earlier = msgspec.json.decode((out / _DESCRIPTION).read_bytes(), type=_Earlier)
    except (OSError, UnicodeError, msgspec.DecodeError):
        return frozenset()
    # A description may be anyone's: nothing else is deleted for it.
    return earlier.files & {*list_file_names(), _DESCRIPTION, _EXAMPLE, _PARITY, _ENTRY}


def _read_frames(spec: ExportSpec) -> dict[str, Image]:
    source = open_source(spec.frames, Selection(limit=spec.limit))
    frames = {}
    for group in group_frames(source.items(), 1):
        for ref, image in source.read(group):
            if isinstance(image, BddsegError):
                raise image
            frames[ref.name] = image
    return frames


def _choose_size(spec: ExportSpec, frame: Image) -> SizeHW:
    """Return the size of the input that the graph is made for."""
    if spec.size is not None and spec.size != "dynamic":
        return spec.size
    return get_input_size((frame.shape[0], frame.shape[1]), spec.entry.preprocessing)


def _write(
    spec: ExportSpec, form: Format, size_hw: SizeHW, frames: dict[str, Image], folder: Path
) -> Parity:
    """Write all files to a folder."""
    flush_denormals()
    network = cast(Network, load_network(spec.entry, spec.weights))
    entry = make_entry(spec, size_hw, align_corners=network.align_corners)
    tasks = (entry.task, *entry.extra_tasks)
    # Of a size that was asked for, torch gets the same input.
    changed = entry.preprocessing if isinstance(spec.size, tuple) else spec.entry.preprocessing
    torch_entry = msgspec.structs.replace(spec.entry, preprocessing=changed)
    torch_runtime = TorchRuntime(network, spec.entry.task, torch.device("cpu"))
    reference = Predictor(torch_entry, torch_runtime, tasks=tasks)
    half = spec.precision == "fp16"
    module = FullSizeNetwork(
        network,
        {task: spec.entry.get_class_map(task) for task in tasks},
        labels=spec.with_argmax,
        window=spec.entry.sliding_window,
    ).eval()
    program = trace(
        module.to_half() if half and form.half_in_graph else module,
        size_hw,
        dynamic=spec.is_dynamic,
    )
    form.write(program, tasks, folder, half)
    del program

    graph = ExportedRuntime(form.open_file(folder), tasks, align_corners=network.align_corners)
    exported = Predictor(entry, cast(Runtime, graph), tasks=tasks)
    parity = compare(reference, exported, frames, labels=spec.with_argmax)
    if spec.is_dynamic:
        (images,) = exported.prepare(next(iter(frames.values()))).tensors
        parity = replace(parity, other_sizes=compare_other_sizes(module, graph, images[None]))
    corners = network.align_corners
    description = describe(spec, form, entry, None if spec.is_dynamic else size_hw, corners)
    example = write_example(
        form, entry.preprocessing, labels=spec.with_argmax, align_corners=corners
    )
    names = _list_names(spec, form)
    _write_json(folder / _DESCRIPTION, description | {"files": names})
    _write_json(folder / _PARITY, parity.to_dict())
    (folder / _EXAMPLE).write_text(example, encoding="utf-8")
    if _ENTRY in names:
        file = Weights(file=MODEL_NAME, sha256=str(describe_weights(folder / MODEL_NAME)["sha256"]))
        text = format_entry(msgspec.structs.replace(entry, weights=file))
        (folder / _ENTRY).write_text(text, encoding="utf-8")
    return parity


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")

"""`bddseg export`: a model as a file that other software runs."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from bddseg.cli.console import format_size, show, show_json, show_next, show_note
from bddseg.cli.options import (
    INPUT,
    MODEL,
    OUTPUT,
    TASK_LIST_NAMES,
    AsJson,
    ModelName,
    Overwrite,
    Weights,
    number,
    option,
    registered,
)
from bddseg.cli.progress import show_progress_group
from bddseg.errors import quote
from bddseg.inference.export.spec import (
    MIN_EQUAL,
    NUM_FRAMES,
    Exported,
    ExportFormat,
    ExportPrecision,
    ExportSpec,
)
from bddseg.types import SizeHW

_SIZE = "Of the input, such as 512x896; by default the model's, or as --frames need it."
_FRAMES = "Frames to compare the file with torch on; by default rendered ones."
_MIN_EQUAL = "Share of labels that have to equal those of torch."
_LARGEST_EDGE = 16_384


def _check_size(text: str | None) -> str | None:
    """Check the value of --size."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text or "", re.ASCII)
    if text in (None, "dynamic"):
        return text
    if not match or not all(1 <= int(edge) <= _LARGEST_EDGE for edge in match.groups()):
        raise typer.BadParameter(
            f"'{text}' is neither HxW in pixels, height first, such as 512x896, nor 'dynamic'."
        )
    return text


def export(
    model: ModelName,
    out: Annotated[Path, option("--out -o", "Folder for the files.", OUTPUT)],
    to: Annotated[
        ExportFormat,
        option("--to", "onnx, openvino, pt2 or tensorrt.", OUTPUT, metavar="FORMAT"),
    ] = "onnx",
    size: Annotated[
        str | None,
        option("--size", _SIZE, OUTPUT, metavar="HxW|dynamic", callback=_check_size),
    ] = None,
    with_argmax: Annotated[
        bool, option("--with-argmax", "The file returns class ids instead of logits.", OUTPUT)
    ] = False,
    precision: Annotated[
        ExportPrecision,
        option("--precision", "fp32, or fp16 for half the size.", OUTPUT, metavar="NAME"),
    ] = "fp32",
    min_equal: Annotated[
        float, number("--min-equal", _MIN_EQUAL, OUTPUT, metavar="PERCENT", min=0, max=100)
    ] = 100 * MIN_EQUAL,
    overwrite: Overwrite = False,
    weights: Weights = None,
    tasks: Annotated[
        list[str] | None,
        registered(
            TASK_LIST_NAMES,
            "--task -t",
            "Of a model with several tasks: which, with commas.",
            MODEL,
            metavar="NAMES",
        ),
    ] = None,
    frames: Annotated[str | None, option("--frames", _FRAMES, INPUT, metavar="SOURCE")] = None,
    limit: Annotated[int, number("--limit -n", "Only the first N frames.", INPUT)] = NUM_FRAMES,
    as_json: AsJson = False,
) -> None:
    """Write a model as a file that runs without bddseg, and compare it with torch on frames.

    Beside it: model.json (what goes in and comes out), example.py (runs it on a frame), parity.json
    and, for `bddseg infer`, entry.toml. Copy the whole folder.

    Examples:
      bddseg export demo -o demo-onnx
      bddseg export MODEL -o OUT --to openvino --size 512x896 --frames FRAMES
    """
    from bddseg.demo import IMAGES
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    entry = find_entry(model)
    with show_progress_group() as downloads:
        checkpoint = weights or get_weights(entry, downloads)
    spec = ExportSpec(
        entry=entry,
        weights=checkpoint,
        frames=frames or str(IMAGES),
        limit=limit,
        out=out,
        to=to,
        size=_parse_size(size),
        with_argmax=with_argmax,
        precision=precision,
        tasks=tuple(tasks or ()),
        overwrite=overwrite,
    )
    # Last, because it imports torch, which takes seconds.
    from bddseg.inference.export.run import run_export

    exported = run_export(spec)
    if as_json:
        show_json(_to_json(exported))
    else:
        show(_summarize(exported, spec))
    _show_notes(exported, spec, has_frames=frames is not None)
    exported.check(min_equal / 100)
    if not as_json and "entry.toml" in exported.files:
        show_next("bddseg", "infer", out / "entry.toml", spec.frames, "-o", f"{out}-masks")
    elif not as_json:
        frame = min(IMAGES.iterdir())
        show_next("python", out / "example.py", frame, f"{out}-mask.png")


def _parse_size(text: str | None) -> SizeHW | Literal["dynamic"] | None:
    if text is None:
        return None
    if text == "dynamic":
        return "dynamic"
    height, width = map(int, text.split("x"))
    return height, width


def _to_json(exported: Exported) -> dict[str, object]:
    return {
        "out": str(exported.out),
        "files": list(exported.files),
        "size_hw": exported.size_hw,
        "parity": exported.parity.to_dict(),
    }


def _summarize(exported: Exported, spec: ExportSpec) -> str:
    parity = exported.parity
    model = exported.out / exported.files[0]
    size = "{}x{}".format(*exported.size_hw) if exported.size_hw else "any size"
    lines = [
        f"{model} ({format_size(model.stat().st_size)}, input of {size}); beside it "
        f"{', '.join(exported.files[1:])}.",
        f"Labels equal to those of torch: {parity.equal:.3%} in the worst case of "
        f"{len(parity.frames) + len(parity.other_sizes)}.",
    ]
    if parity.max_difference is not None:
        lines.append(f"Largest difference of logits: {parity.max_difference:.2g} of their std.")
    if spec.with_argmax:
        worst = min(each.equal_at_frame_size for each in parity.frames)
        lines.append(f"Enlarged to the frame: {worst:.3%} equal those of `bddseg infer`.")
    lines += [
        f"A frame takes torch {parity.torch_ms:.0f} ms and the file {parity.exported_ms:.0f} ms on "
        "this CPU.",
        f"Run it: python {quote(exported.out / 'example.py')} FRAME MASK.png",
    ]
    return "\n".join(lines)


def _show_notes(exported: Exported, spec: ExportSpec, *, has_frames: bool) -> None:
    if not has_frames:
        show_note("Compared on rendered frames. Give your own with --frames.")
    if exported.parity.num_classes_seen < 2:
        show_note("These frames hold one class only, so equal labels say little: use others.")
    if spec.entry.postprocessing.is_active:
        show_note("min_region and min_hole of the entry are not part of the exported file.")
    if spec.to == "tensorrt":
        show_note(
            "Build the engine on the machine with the GPU: sh "
            f"{quote(exported.out / 'build_engine.sh')}. bddseg checked the ONNX file on a CPU; "
            "this script was never run on a GPU."
        )

"""`bddseg quantize`: an int8 network for OpenVINO."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_next, show_note
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    PERFORMANCE,
    AsJson,
    Limit,
    ModelName,
    Out,
    Overwrite,
    Weights,
    number,
    option,
)
from bddseg.cli.progress import show_progress
from bddseg.cli.table import make_table
from bddseg.progress import pluralize
from bddseg.specs import Precision

if TYPE_CHECKING:
    from rich.console import Group

    from bddseg.inference.quantization.quantize import QuantizationReport

_FRAMES = "Frames of one size: a folder, a glob pattern in quotes, a text file of paths, a video."
_TRUTH = "Ground truth of the frames: a folder of masks, or Scalabel JSON."
_PRECISION = "Of the layers that are not int8: fp32, or bf16 on CPUs that have it."
_MAX_DROP = "Points of official mIoU that may be lost; without -g, percent of pixels that change."


def quantize(
    model: ModelName,
    frames: Annotated[str, typer.Argument(metavar="FRAMES", help=_FRAMES)],
    out: Out,
    ground_truth: Annotated[Path | None, option("--ground-truth -g", _TRUTH, INPUT)] = None,
    limit: Limit = None,
    weights: Weights = None,
    max_drop: Annotated[
        float, number("--max-drop", _MAX_DROP, OUTPUT, metavar="POINTS", min=0, max=100)
    ] = 0.5,
    precision: Annotated[Precision, option("--precision", _PRECISION, PERFORMANCE)] = "fp32",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Make a faster network for CPUs: int8 layers, run by OpenVINO.

    One of five frames calibrates, the others are scored; layers that cost
    too much accuracy do not become int8. Use OUT/entry.toml as a model.

    Examples:
      bddseg quantize demo frames -o demo.int8
      bddseg quantize MODEL frames -g labels -o model.int8 --precision bf16
    """
    from bddseg.inference.quantization.quantize import quantize as run

    with show_progress("Scoring", unit="frame") as progress:
        report = run(
            model,
            frames,
            out,
            ground_truth=ground_truth,
            weights=weights,
            limit=limit,
            max_drop=max_drop,
            precision=precision,
            overwrite=overwrite,
            progress=progress,
        )
    if as_json:
        show_json({"out": str(out)} | asdict(report))
    else:
        show(_describe(report, out))
    if report.milliseconds["int8"] >= report.milliseconds["openvino"]:
        show_note(
            f"It is no faster than {precision} in OpenVINO here, because of this CPU or --max-drop."
        )
    if not as_json:
        options = ["--precision", precision] if precision != "fp32" else []
        command = ["infer", out / "entry.toml", frames, "-o", f"{out}-masks", *options]
        show_next("bddseg", *command)


def _describe(report: "QuantizationReport", out: Path) -> "Group":
    from rich.console import Group

    def format_percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    before, after = format_percent(report.miou_before), format_percent(report.miou_after)
    other = report.precision
    int8 = "int8, OpenVINO" if other == "fp32" else f"int8 and {other}, OpenVINO"
    rows = [
        ["fp32, torch", before, "-", report.milliseconds["torch"]],
        [f"{other}, OpenVINO", "-", "-", report.milliseconds["openvino"]],
        [int8, after, format_percent(report.changed), report.milliseconds["int8"]],
    ]
    return Group(
        make_table(
            ["network", "official mIoU", "pixels changed", "ms a frame"],
            [[*map(str, row[:3]), f"{row[3]:.1f}"] for row in rows],
        ),
        "",
        f"Scores are in percent, of {pluralize(report.scored_frames, 'frame')}; "
        f"{len(report.calibration_frames)} others calibrated.",
        f"{len(report.int8_layers)} of {pluralize(report.num_layers, 'layer')} are int8: see "
        f"{out / 'report.json'}.",
    )

"""`bddseg infer`: frames to masks."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_note, track
from bddseg.cli.options import AsJson, Out

if TYPE_CHECKING:
    from bddseg.engine.job import Record


class Precision(StrEnum):
    """What the network computes in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


def infer(
    model: Annotated[
        str, typer.Argument(help="A model of `bddseg zoo list`, or an entry's TOML file.")
    ],
    source: Annotated[
        str,
        typer.Argument(
            help="An image, a folder (with its subfolders), a glob pattern in quotes, or a text "
            "file with a path on each line."
        ),
    ],
    out: Out,
    weights: Annotated[
        Path | None,
        typer.Option(help="A checkpoint of the model's architecture, .pth or .safetensors."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N frames.")] = None,
    precision: Annotated[
        Precision, typer.Option(help="What the network computes in; fp16 and bf16 suit GPUs.")
    ] = Precision.FP32,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Average over six scales and mirror images: 17 times the work."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a mask for each frame: an 8-bit PNG of class ids, at the frame's own size.

    The masks mirror the tree of the source; run.json beside them says how they were made.
    """
    from bddseg.zoo.cache import find_weights
    from bddseg.zoo.catalog import find_entry

    entry = find_entry(model)
    checkpoint = weights or find_weights(entry)
    # Last, because it imports torch, which takes seconds: mistakes in names show at once.
    from bddseg.engine.job import Job
    from bddseg.engine.pipeline import run_job

    job = Job(
        entry=entry,
        weights=checkpoint,
        source=source,
        out=out,
        device=device,
        limit=limit,
        precision=precision.value,
        tta=tta,
    )
    record = run_job(job, track=track)
    if as_json:
        show_json(asdict(record))
    else:
        show(_summarize(record, out))
    _report_failures(record)


def _report_failures(record: "Record") -> None:
    for failure in record.failures:
        show_note(f"Failed: {failure.error}")
    if record.failures:
        show_note("Mend or remove these frames and run again; the other masks are done.")
        raise typer.Exit(1)


def _summarize(record: "Record", out: Path) -> str:
    seconds = record.seconds["run"]
    pace = f"{seconds / record.done:.2f} s a frame" if record.done else "none done"
    failed = f", {len(record.failures)} failed" if record.failures else ""
    return (
        f"{record.done} of {record.frames} masks written to {out} ({pace} on {record.device})"
        f"{failed}."
    )

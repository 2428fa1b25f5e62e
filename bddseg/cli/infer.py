"""`bddseg infer`: frames to masks, colormaps, overlays and video."""

import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import INTERRUPTED, AsJson, ModelName, Out
from bddseg.cli.progress import track_bytes, track_run
from bddseg.errors import BddsegError, BddsegWarning

if TYPE_CHECKING:
    from bddseg.engine.job import Record


class Precision(StrEnum):
    """What the network computes in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


def infer(
    model: ModelName,
    source: Annotated[
        str,
        typer.Argument(
            help="An image, a folder (with its subfolders), a glob pattern in quotes, a text file "
            "with a path on each line, or a video."
        ),
    ],
    out: Out,
    weights: Annotated[
        Path | None,
        typer.Option(help="A checkpoint of the model's architecture, .pth or .safetensors."),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format", help="mask, color, overlay, rle, video: one, or several with commas."
        ),
    ] = "mask",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    gpus: Annotated[
        int | None, typer.Option(min=1, help="Workers on this machine, one for each GPU.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="The same on a CPU: workers that share its cores.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Frames at a time; 0: 1 on a CPU, what fits on a GPU.")
    ] = 0,
    precision: Annotated[
        Precision, typer.Option(help="What the network computes in; fp16 and bf16 suit GPUs.")
    ] = Precision.FP32,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Average over six scales and mirror images: 17 times the work."),
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N frames.")] = None,
    start: Annotated[int, typer.Option(min=0, help="Of a video, from this frame on.")] = 0,
    end: Annotated[int | None, typer.Option(min=1, help="Of a video, up to this frame.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Of a video, each so many-th frame.")] = 1,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite/--resume",
            help="Replace the results of another run, or go on where this one stopped.",
        ),
    ] = False,
    nodes: Annotated[int, typer.Option("--nnodes", min=1, help="Machines that share the run.")] = 1,
    node_rank: Annotated[int, typer.Option(min=0, help="This machine's number, from 0.")] = 0,
    endpoint: Annotated[
        str, typer.Option("--rdzv-endpoint", help="HOST:PORT of machine 0, where all meet.")
    ] = "",
    stall_s: Annotated[
        float,
        typer.Option(
            "--stall-timeout",
            min=1,
            help="Seconds without a sign of life after which a worker is dead.",
        ),
    ] = 60.0,
    restarts: Annotated[
        int, typer.Option("--max-restarts", min=0, help="How often to restart dead workers.")
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Write a mask for each frame: an 8-bit PNG of class ids, at the frame's own size.

    Results mirror the tree of the source; run.json beside them says how they were made. A run that
    was interrupted, in whatever way, goes on where it stopped when the same command is given again.
    """
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    if gpus and (workers or device == "cpu"):
        raise typer.BadParameter("--gpus and --workers or --device cpu exclude each other.")
    if nodes > 1 and not endpoint:
        raise typer.BadParameter("Several machines need --rdzv-endpoint HOST:PORT.")
    entry = find_entry(model)
    with track_bytes() as meter:
        checkpoint = weights or get_weights(entry, meter)
    # Last, because it imports torch, which takes seconds: mistakes in names show at once.
    from bddseg.data.sources import Selection
    from bddseg.engine.allocator import keep_freed_memory
    from bddseg.engine.job import Job
    from bddseg.engine.launch import run_job
    from bddseg.engine.outputs import parse_formats

    keep_freed_memory()
    job = Job(
        entry=entry,
        weights=checkpoint,
        source=source,
        out=out,
        selection=Selection(limit=limit, start=start, end=end, every=every),
        formats=parse_formats(formats.split(",")),
        device="cuda" if gpus else device,
        precision=precision.value,
        tta=tta,
        batch_size=batch_size,
        overwrite=overwrite,
        workers=gpus or workers or 1,
        nodes=nodes,
        node_rank=node_rank,
        endpoint=endpoint,
        restarts=restarts,
        stall_s=stall_s,
    )
    try:
        with track_run("Segmenting") as display:
            record = run_job(job, display)
    except KeyboardInterrupt:
        show_note("The same command goes on from there.")
        raise
    if record is None:
        return
    if as_json:
        show_json(asdict(record))
    else:
        show(_summarize(record, out))
    if record.failures:
        _report_failures(record)
        raise typer.Exit(1)


def work(job: Annotated[str, typer.Argument()]) -> None:
    """Be one of the workers of a run; torchrun starts this."""
    import signal
    import warnings

    from bddseg.engine.allocator import keep_freed_memory
    from bddseg.engine.job import decode_job
    from bddseg.engine.launch import leave_error, run_job

    keep_freed_memory()

    def interrupt(*_signal: object) -> None:
        # A terminal's signal is followed by torchrun's: the first one counts, and what this worker
        # holds is written undisturbed.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    if os.environ.get("RANK", "0") != "0":
        # What is to be said of plugins, the first worker says.
        warnings.simplefilter("ignore", BddsegWarning)
    with track_run("Segmenting") as display:
        try:
            run_job(decode_job(job), display)
        except BddsegError as error:
            # Whoever started the workers shows it, once.
            leave_error(error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def _report_failures(record: "Record") -> None:
    show_note(
        f"{len(record.failures)} frames failed. Mend or remove them and give the same command "
        "again; the others are done."
    )


def _summarize(record: "Record", out: Path) -> str:
    seconds = record.seconds["run"]
    pace = f"{record.done / seconds:.2f} frames a second on {record.device}"
    workers = f" with {len(record.workers)} workers" if len(record.workers) > 1 else ""
    before = f", {record.skipped} were there already" if record.skipped else ""
    failed = f", {len(record.failures)} failed" if record.failures else ""
    done = f"{record.done} of {record.frames} frames done into {out}"
    return f"{done} ({pace}{workers}){before}{failed}."

"""`bddseg infer`: frames to masks, colormaps, overlays and video."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import (
    FORMAT_NAMES,
    INPUT,
    MACHINES,
    MODEL,
    PERFORMANCE,
    TASK_NAMES,
    AsJson,
    Formats,
    Limit,
    ModelName,
    Out,
    Overwrite,
    Runtime,
)
from bddseg.cli.progress import show_progress, show_progress_group
from bddseg.progress import pluralize

if TYPE_CHECKING:
    from bddseg.record import RunRecord
    from bddseg.specs import Precision

_PRECISIONS = ("fp32", "fp16", "bf16")


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
    limit: Limit = None,
    start: Annotated[
        int, typer.Option(min=0, help="Of a video: first frame.", rich_help_panel=INPUT)
    ] = 0,
    end: Annotated[
        int | None,
        typer.Option(min=1, help="Of a video: frame after the last.", rich_help_panel=INPUT),
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Of a video: every N-th frame.", rich_help_panel=INPUT)
    ] = 1,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint of the model's architecture, .pth or .safetensors.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            "-t",
            metavar="TASK",
            help="Which task, of a model with several.",
            callback=TASK_NAMES.check,
            autocompletion=TASK_NAMES.complete,
            rich_help_panel=MODEL,
        ),
    ] = None,
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="Average over six scales and mirror images: 17 times the work.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    formats: Formats = "mask",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=PERFORMANCE)
    ] = "auto",
    runtime: Runtime = "torch",
    gpus: Annotated[
        int | None,
        typer.Option(min=1, help="Workers, one for each GPU.", rich_help_panel=PERFORMANCE),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Workers that share the CPU's cores.", rich_help_panel=PERFORMANCE
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            min=0,
            help="Frames at a time; 0 means 1 on a CPU, and what fits on a GPU.",
            rich_help_panel=PERFORMANCE,
        ),
    ] = 0,
    precision: Annotated[
        str, typer.Option(help="fp32, fp16 or bf16.", rich_help_panel=PERFORMANCE)
    ] = "fp32",
    num_nodes: Annotated[
        int,
        typer.Option(
            "--nnodes", min=1, help="Machines that share the run.", rich_help_panel=MACHINES
        ),
    ] = 1,
    node_rank: Annotated[
        int, typer.Option(min=0, help="Rank of this machine.", rich_help_panel=MACHINES)
    ] = 0,
    endpoint: Annotated[
        str,
        typer.Option(
            "--rdzv-endpoint",
            help="HOST:PORT of machine 0, where all meet.",
            rich_help_panel=MACHINES,
        ),
    ] = "",
    stall_timeout_s: Annotated[
        float,
        typer.Option(
            "--stall-timeout",
            min=1,
            help="Seconds without a heartbeat after which a worker counts as dead.",
            rich_help_panel=MACHINES,
        ),
    ] = 60.0,
    max_restarts: Annotated[
        int,
        typer.Option(min=0, help="How often to restart dead workers.", rich_help_panel=MACHINES),
    ] = 3,
) -> None:
    """Write a mask for each frame: an 8-bit PNG of class ids, at the frame's own size.

    OUT/run.json says how the results were made, and OUT/masks mirrors the folders of the source.
    The same command resumes a run that was interrupted.

    Examples:
      bddseg infer demo frames -o out

      bddseg infer MODEL drive.mp4 -o out --format mask,overlay,video --every 2
    """
    if gpus and (workers or device == "cpu"):
        raise typer.BadParameter("--gpus excludes --workers and --device cpu.")
    if num_nodes > 1 and not endpoint:
        raise typer.BadParameter("Several machines need --rdzv-endpoint HOST:PORT.")
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    entry = find_entry(model)
    with show_progress_group() as downloads:
        checkpoint = weights or get_weights(entry, downloads)
    # Last, because it imports torch, which takes seconds: mistakes in names show at once.
    from bddseg.data.sources.source import Selection
    from bddseg.inference.memory import keep_freed_memory
    from bddseg.inference.run import Execution, Launch, RunSpec, run

    spec = RunSpec(
        entry=entry,
        weights=checkpoint,
        source=source,
        selection=Selection(limit=limit, start=start, end=end, every=every),
        execution=Execution(
            runtime=runtime,
            device="cuda" if gpus else device,
            precision=_parse_precision(precision),
            tta=tta,
            batch_size=batch_size,
            task=task,
        ),
        out=out,
        formats=tuple(FORMAT_NAMES.split([formats])),
        overwrite=overwrite,
        launch=Launch(
            num_workers=gpus or workers or 1,
            num_nodes=num_nodes,
            node_rank=node_rank,
            endpoint=endpoint,
            max_restarts=max_restarts,
            stall_timeout_s=stall_timeout_s,
        ),
    )
    if spec.num_workers == 1:
        keep_freed_memory()
    try:
        with _interrupt_on_sigterm(), show_progress("Segmenting", unit="frame") as progress:
            record = run(spec, progress)
    except KeyboardInterrupt:
        show_note("The same command resumes the run.")
        raise
    if record is not None:
        _report(record, out, as_json=as_json)


def _parse_precision(name: str) -> "Precision":
    for precision in _PRECISIONS:
        if name == precision:
            return precision  # type: ignore[return-value]
    raise typer.BadParameter(f"--precision {name}: use one of {', '.join(_PRECISIONS)}.")


@contextmanager
def _interrupt_on_sigterm() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: results in progress are written, and the record says so."""

    def interrupt(*_signal: object) -> None:
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # Not in the main thread: the program that called us handles signals.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _report(record: "RunRecord", out: Path, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(record))
    else:
        show(_summarize(record, out))
    if record.failures:
        show_note(
            f"{pluralize(len(record.failures), 'frame')} failed. Fix or remove them and run the "
            "same command again; the others are done."
        )
        raise typer.Exit(1)


def _summarize(record: "RunRecord", out: Path) -> str:
    rate = record.done / max(record.seconds["run"], 1e-9)
    num_workers = len(record.workers)
    workers = f" with {num_workers} workers" if num_workers > 1 else ""
    skipped = f", {record.skipped} were there already" if record.skipped else ""
    failed = f", {len(record.failures)} failed" if record.failures else ""
    done = f"{record.done} of {pluralize(record.frames, 'frame')} done, in {out}"
    return f"{done} ({rate:.2f} frames/s on {record.device}{workers}){skipped}{failed}."

"""`bddseg infer`: frames to masks, colormaps, overlays and video."""

import os
import re
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
    OUTPUT,
    PERFORMANCE,
    PRECISION,
    TASK_LIST_NAMES,
    AsJson,
    Compile,
    Device,
    Limit,
    ModelName,
    NetworkThreads,
    Out,
    Overwrite,
    RuntimeName,
    Weights,
    number,
    option,
    registered,
)
from bddseg.cli.progress import show_progress, show_progress_group
from bddseg.io.read import MAX_PIXELS_VARIABLE
from bddseg.progress import pluralize
from bddseg.specs import Precision, change_postprocessing

if TYPE_CHECKING:
    from bddseg.record import RunRecord

_SOURCE = (
    "An image, a folder (with its subfolders), a glob pattern in quotes, a text file of paths, "
    "or a video."
)
_FORMATS = "mask, colormap, overlay, rle, probability, logits, video; several with commas."
_BATCH_SIZE = "Frames at a time; 0 means 1 on a CPU, and what fits on a GPU."
_STALL_TIMEOUT = "Time without a heartbeat, or ten times without a frame, that ends a worker."
_ENDPOINT = re.compile(r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", re.ASCII)
_TASKS = "Of a model with several tasks: which; with commas, further ones go to OUT/TASK."
_MIN_REGION = "Smaller regions of a class, in pixels, become background."
_MIN_HOLE = "Smaller regions of background get the class around them."
_EGO_REGION_ONLY = (
    "For planning: only the region that the own vehicle is in, or nothing if it is in none. Lowers "
    "the score: the lanes beside it are often regions of their own, and ground truth has them."
)
_SMOOTH = (
    "Of a video or a folder of its frames: average the logits over time; weight of the newest "
    "frame, 1 is off."
)


def infer(
    model: ModelName,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=_SOURCE)],
    out: Out,
    limit: Limit = None,
    start: Annotated[int, number("--start", "Of a video: first frame.", INPUT, min=0)] = 0,
    end: Annotated[int | None, number("--end", "Of a video: frame after the last.", INPUT)] = None,
    every: Annotated[int, number("--every", "Of a video: every N-th frame.", INPUT)] = 1,
    max_pixels: Annotated[
        int | None, number("--max-pixels", "Frames of more pixels fail.", INPUT)
    ] = None,
    weights: Weights = None,
    tasks: Annotated[
        list[str] | None,
        registered(TASK_LIST_NAMES, "--task -t --tasks", _TASKS, MODEL, metavar="NAMES"),
    ] = None,
    tta: Annotated[
        bool,
        option("--tta", "Average over six scales and mirror images: 17 times the work.", MODEL),
    ] = False,
    min_region: Annotated[int | None, number("--min-region", _MIN_REGION, MODEL, min=0)] = None,
    min_hole: Annotated[int | None, number("--min-hole", _MIN_HOLE, MODEL, min=0)] = None,
    ego_region_only: Annotated[bool, option("--ego-region-only", _EGO_REGION_ONLY, MODEL)] = False,
    smooth: Annotated[
        float, number("--smooth", _SMOOTH, MODEL, metavar="ALPHA", min=0, max=1)
    ] = 1.0,
    formats: Annotated[
        list[str], registered(FORMAT_NAMES, "--format", _FORMATS, OUTPUT, metavar="NAMES")
    ] = ["mask"],  # noqa: B006
    overwrite: Overwrite = False,
    device: Device = "auto",
    runtime: RuntimeName = None,
    gpus: Annotated[int | None, number("--gpus", "Workers, one for each GPU.", PERFORMANCE)] = None,
    workers: Annotated[
        int | None, number("--workers", "Workers that share the CPU's cores.", PERFORMANCE)
    ] = None,
    threads: NetworkThreads = None,
    batch_size: Annotated[int, number("--batch-size", _BATCH_SIZE, PERFORMANCE, min=0)] = 0,
    precision: Annotated[Precision, PRECISION] = "fp32",
    compile_network: Compile = False,
    num_nodes: Annotated[int, number("--nnodes", "Machines that share the run.", MACHINES)] = 1,
    node_rank: Annotated[int, number("--node-rank", "Rank of this machine.", MACHINES, min=0)] = 0,
    endpoint: Annotated[
        str,
        option("--rdzv-endpoint", "Machine 0, where all meet.", MACHINES, metavar="HOST:PORT"),
    ] = "",
    stall_timeout_s: Annotated[
        float, number("--stall-timeout", _STALL_TIMEOUT, MACHINES, metavar="SECONDS", max=1e6)
    ] = 60.0,
    max_restarts: Annotated[
        int, number("--max-restarts", "How often to restart dead workers.", MACHINES, min=0)
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Write a mask for each frame: an 8-bit PNG of class ids, at the frame's own size.

    OUT/run.json says how the results were made, and OUT/masks mirrors the folders of the source.
    The same command resumes a run that was interrupted.

    Examples:
      bddseg infer demo frames -o out
      bddseg infer MODEL drive.mp4 -o out --format mask,overlay,video --every 2
    """
    if gpus and (workers or device not in ("auto", "cuda")):
        raise typer.BadParameter(f"--gpus excludes --workers and --device {device}.")
    if num_nodes > 1 and not _ENDPOINT.fullmatch(endpoint):
        raise typer.BadParameter(
            f"Several machines need --rdzv-endpoint HOST:PORT, not '{endpoint}'."
        )
    if node_rank >= num_nodes:
        raise typer.BadParameter(
            f"--node-rank {node_rank} needs a larger --nnodes than {num_nodes}."
        )
    if max_pixels:
        # Read by whatever decodes images, in the workers too.
        os.environ[MAX_PIXELS_VARIABLE] = str(max_pixels)
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    entry = change_postprocessing(
        find_entry(model),
        min_region=min_region,
        min_hole=min_hole,
        # Without the option, as the entry says.
        ego_region_only=ego_region_only or None,
    )
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
            runtime=runtime or entry.runtime,
            device="cuda" if gpus else device,
            precision=precision,
            compile=compile_network,
            tta=tta,
            batch_size=batch_size,
            smooth=smooth,
            num_threads=threads or 0,
            tasks=tuple(tasks or ()),
        ),
        out=out,
        formats=tuple(formats),
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
            f"{pluralize(len(record.failures), 'frame')} failed. Fix or remove what is named above "
            "and run the same command again; the others are done."
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

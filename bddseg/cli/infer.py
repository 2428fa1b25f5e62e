"""`bddseg infer`: frames to masks, colormaps, overlays and video."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show_next, show_note
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
    Overwrite,
    RuntimeName,
    Weights,
    number,
    option,
    registered,
)
from bddseg.cli.progress import show_progress, show_progress_group
from bddseg.cli.run_summary import show_record, summarize
from bddseg.cli.signals import interrupt_on_sigterm
from bddseg.io.read import MAX_PIXELS_VARIABLE
from bddseg.progress import pluralize
from bddseg.specs import Precision, change_postprocessing

if TYPE_CHECKING:
    from bddseg.record import RunRecord

_SOURCE = (
    "An image, a folder (with its subfolders), a glob pattern in quotes, a text file of paths, "
    "a video, or a folder of videos. Live: the URL of a stream, the number of a camera, or - for "
    "standard input."
)
_FORMATS = "mask, colormap, overlay, rle, probability, logits, video; several with commas."
_BATCH_SIZE = (
    "Frames at a time, on a CPU in parallel. 0 means what fits on a GPU; on a CPU one for each "
    "thread if the weights take up at most 16 MiB, else 1."
)
# Panel of help.
LIVE = "Live sources"
_STALL_TIMEOUT = "Time without a heartbeat, or ten times this without a frame, that ends a worker."
_SHOW = "Show the overlays in a window; q closes it and ends the run."
_STREAM = "Show the overlays to browsers, at http://127.0.0.1:8080 or another address and port."
_TIMEOUT = "Time without a frame after which the source is opened again."
_RECONNECTS = "Attempts in a row to open the source again."
_WAIT = "How long to wait for a source that is not up yet."
_MAX_FPS = "Frames per second at most; others are dropped."
_DROP = "Drop all frames but the newest, or let the sender wait."
_RAW = "Of standard input: raw frames, as in bgr24:1280x720 or rgb24:1280x720."
_ENDPOINT = re.compile(r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", re.ASCII)
_TASKS = "Of a model with several tasks: which; several with commas, further ones go to OUT/TASK."
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
    out: Annotated[
        Path | None,
        option("--out -o", "Folder for the results; not needed with --show or --stream.", OUTPUT),
    ] = None,
    limit: Limit = None,
    start: Annotated[int, number("--start", "Of a video: first frame.", INPUT, min=0)] = 0,
    end: Annotated[
        int | None, number("--end", "Of a video: stop before this frame.", INPUT)
    ] = None,
    every: Annotated[int, number("--every", "Of a video: every N-th frame.", INPUT)] = 1,
    max_pixels: Annotated[
        int | None,
        number("--max-pixels", "Frames of more pixels fail; by default 178,956,970.", INPUT),
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
    show_window: Annotated[bool, option("--show", _SHOW, OUTPUT)] = False,
    stream: Annotated[str | None, option("--stream", _STREAM, OUTPUT, metavar="URL")] = None,
    timeout_s: Annotated[
        float, number("--timeout", _TIMEOUT, LIVE, metavar="SECONDS", min=0.1, max=1e6)
    ] = 10.0,
    reconnects: Annotated[int, number("--reconnects", _RECONNECTS, LIVE, min=0)] = 10,
    wait_s: Annotated[
        float, number("--wait", _WAIT, LIVE, metavar="SECONDS", min=0, max=1e6)
    ] = 0.0,
    max_fps: Annotated[float | None, number("--max-fps", _MAX_FPS, LIVE, min=0.001)] = None,
    drop: Annotated[bool, option("--drop/--no-drop", _DROP, LIVE)] = True,
    raw: Annotated[str, option("--raw", _RAW, LIVE, metavar="FORMAT:WxH")] = "",
    device: Device = "auto",
    runtime: RuntimeName = None,
    gpus: Annotated[
        int | None, number("--gpus", "GPUs, with a worker for each; by default one.", PERFORMANCE)
    ] = None,
    workers: Annotated[
        int | None,
        number("--workers", "Workers that share the CPU's cores; by default one.", PERFORMANCE),
    ] = None,
    threads: NetworkThreads = None,
    batch_size: Annotated[int, number("--batch-size", _BATCH_SIZE, PERFORMANCE, min=0)] = 0,
    precision: Annotated[Precision, PRECISION] = "fp32",
    compile_network: Compile = False,
    num_nodes: Annotated[int, number("--nnodes", "Machines that share the run.", MACHINES)] = 1,
    node_rank: Annotated[int, number("--node-rank", "Rank of this machine.", MACHINES, min=0)] = 0,
    endpoint: Annotated[
        str,
        option(
            "--rdzv-endpoint",
            "Address of machine 0, to which all connect.",
            MACHINES,
            metavar="HOST:PORT",
        ),
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
    The same command resumes a run that was interrupted. A live run goes on until the source ends or
    Ctrl-C, and lists its frames in OUT/frames.csv.

    Examples:
      bddseg infer MODEL drive.mp4 -o out --format mask,overlay,video --every 2
      bddseg infer MODEL rtsp://camera/1 --stream http://127.0.0.1:8080
    """
    if out is None and not (show_window or stream):
        raise typer.BadParameter("-o FOLDER is needed, or --show or --stream URL.")
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
    from bddseg.data.sources.files import is_video_folder
    from bddseg.data.sources.source import LiveOptions, Selection, is_live
    from bddseg.data.sources.video import is_video
    from bddseg.inference.memory import keep_freed_memory
    from bddseg.inference.run import Execution, Launch, RunSpec, run

    spec = RunSpec(
        entry=entry,
        weights=checkpoint,
        source=source,
        selection=Selection(
            limit=limit,
            start=start,
            end=end,
            every=every,
            live=LiveOptions(
                timeout_s=timeout_s,
                max_reconnects=reconnects,
                wait_s=wait_s,
                max_fps=max_fps,
                drop=drop,
                raw=raw,
            ),
        ),
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
        # Without a folder nothing is written.
        out=out or Path(),
        formats=tuple(formats) if out else (),
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
    if show_window or stream or is_live(source):
        from bddseg.cli.infer_live import run_live

        run_live(spec, show_window=show_window, stream=stream, as_json=as_json)
        return
    try:
        with interrupt_on_sigterm(), show_progress("Segmenting", unit="frame") as progress:
            record = run(spec, progress)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note("The same command resumes the run.")
        raise
    if record is not None:
        _report(record, spec.out, as_json=as_json)
        if record.done and not as_json and "mask" in spec.formats:
            masks = spec.out / "masks"
            video = ("vis", "video", "-i", source, "-r", masks, "-o", f"{spec.out}.mp4")
            frames = ("vis", "overlay", "-i", source, "-r", masks, "-o", f"{spec.out}-overlays")
            # There is no command yet that draws on a folder of videos.
            if not is_video_folder(source):
                show_next("bddseg", *(video if is_video(source) else frames))


def _report(record: "RunRecord", out: Path, *, as_json: bool) -> None:
    show_record(record, summarize(record, out), as_json=as_json)
    if record.failures:
        show_note(
            f"{pluralize(len(record.failures), 'frame')} failed. Fix or remove what is named above "
            "and run the same command again; the others are done."
        )
        raise typer.Exit(1)

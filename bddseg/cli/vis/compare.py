"""`bddseg vis compare`: where a result differs from the truth."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.options import ALL_CORES, Out, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Frames, Limit, Resume, report
from bddseg.tasks import get_task


def compare(
    frames: Frames,
    truth: Annotated[
        Path, typer.Option("--gt", "-g", help="Folder of truth masks.", show_default=False)
    ],
    result: Annotated[
        Path,
        typer.Option("--result", "-r", help="Folder of the masks to compare.", show_default=False),
    ],
    out: Out,
    task: TaskName = "drivable",
    worst: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only the N worst frames of --per-image."),
    ] = None,
    per_image: Annotated[
        Path | None, typer.Option(metavar="CSV", help="What `bddseg eval --per-image` wrote.")
    ] = None,
    limit: Limit = None,
    resume: Resume = False,
    workers: Workers = ALL_CORES,
) -> None:
    """Show on each frame what the result hit, missed, invented and confused, with the frame's IoU.

    With --worst, pictures are numbered, the worst frame first.
    """
    if (worst is None) != (per_image is None):
        raise typer.BadParameter("--worst and --per-image go together.")
    from bddseg.metrics.table import read_worst
    from bddseg.vis.compare import compare_frames

    outcome = compare_frames(
        frames,
        truth,
        result,
        out,
        get_task(task),
        names=read_worst(per_image, worst) if per_image and worst else None,
        limit=limit,
        resume=resume,
        workers=workers,
        track=track,
    )
    report(outcome, "comparisons", out)

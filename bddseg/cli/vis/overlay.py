"""`bddseg vis overlay`: masks blended onto their frames."""

from typing import Annotated

import typer

from bddseg.cli.options import ALL_CORES, Out, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Alpha, Contour, Frames, Legend, Limit, Masks, Resume, report
from bddseg.tasks import get_task
from bddseg.vis.kinds import PictureFormat


def overlay(
    frames: Frames,
    masks: Masks,
    out: Out,
    task: TaskName = "drivable",
    limit: Limit = None,
    alpha: Alpha = 0.5,
    contour: Contour = False,
    legend: Legend = False,
    picture_format: Annotated[
        PictureFormat, typer.Option("--format", help="Of the pictures.")
    ] = PictureFormat.JPG,
    resume: Resume = False,
    workers: Workers = ALL_CORES,
) -> None:
    """Blend masks onto their frames, paired by name; the background stays untouched."""
    from bddseg.vis.overlay import Style, overlay_frames

    outcome = overlay_frames(
        frames,
        masks,
        out,
        get_task(task),
        style=Style(alpha=alpha, contour=contour, legend=legend),
        picture_format=picture_format,
        limit=limit,
        resume=resume,
        workers=workers,
        track=track,
    )
    report(outcome, "overlays", out)

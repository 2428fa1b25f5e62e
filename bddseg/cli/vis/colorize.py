"""`bddseg vis colorize`: masks in colour."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.options import ALL_CORES, Out, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Resume, report
from bddseg.tasks import get_task


def colorize(
    masks: Annotated[Path, typer.Option("--in", "-i", help="Folder of masks.", show_default=False)],
    out: Out,
    task: TaskName = "drivable",
    rgb: Annotated[
        bool, typer.Option("--rgb", help="Write three channels instead of a palette.")
    ] = False,
    resume: Resume = False,
    workers: Workers = ALL_CORES,
) -> None:
    """Write each mask in its task's colours: a palette PNG with the same pixels."""
    from bddseg.vis.colorize import colorize_masks

    outcome = colorize_masks(
        masks, out, get_task(task), rgb=rgb, resume=resume, workers=workers, track=track
    )
    report(outcome, "colormaps", out)

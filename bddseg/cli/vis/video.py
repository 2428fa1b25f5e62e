"""`bddseg vis video`: overlays as an MP4."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.options import ALL_CORES, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Alpha, Contour, Legend, Masks, report
from bddseg.tasks import get_task


def video(
    source: Annotated[
        str,
        typer.Option(
            "--in", "-i", help="A video; or frames: a folder, a glob, a list.", show_default=False
        ),
    ],
    masks: Masks,
    out: Annotated[Path, typer.Option("--out", "-o", help="An MP4 file.", show_default=False)],
    task: TaskName = "drivable",
    alpha: Alpha = 0.5,
    contour: Contour = False,
    legend: Legend = False,
    side_by_side: Annotated[
        bool,
        typer.Option("--side-by-side", help="The frame on the left, the overlay on the right."),
    ] = False,
    fps: Annotated[
        float | None,
        typer.Option(min=0.01, help="Frames a second; without, the video's own, or 30."),
    ] = None,
    workers: Workers = ALL_CORES,
) -> None:
    """Make a video of overlays, from a folder of frames or from a video and its masks."""
    from bddseg.vis.overlay import Style
    from bddseg.vis.video import overlay_video

    outcome = overlay_video(
        source,
        masks,
        out,
        get_task(task),
        style=Style(alpha=alpha, contour=contour, legend=legend),
        side_by_side=side_by_side,
        rate=Fraction(fps).limit_denominator(1001) if fps else None,
        workers=workers,
        track=track,
    )
    report(outcome, "frames", out)

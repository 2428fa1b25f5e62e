"""`bddseg vis video`: overlays as an MP4."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Limit,
    Results,
    TaskName,
    Threads,
    choose_task,
)
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Alpha, Contour, Legend, report
from bddseg.progress import NUM_CORES

EXAMPLES = """
Examples:

bddseg vis video -i drive.mp4 -r out/masks -o overlay.mp4

bddseg vis video -i frames -r out/masks -o overlay.mp4 --side-by-side --fps 10
"""


def video(
    source: Annotated[
        str,
        typer.Option(
            "--input",
            "-i",
            help="A video; or frames: a folder, a glob pattern or a list file.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ],
    results: Results,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="MP4 file to write.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    task: TaskName = None,
    limit: Limit = None,
    alpha: Alpha = 0.5,
    contour: Contour = False,
    legend: Legend = False,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side",
            help="Show the frame on the left and the overlay on the right.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="N",
            help="Frames per second; by default those of the video, else 30.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: AsJson = False,
    threads: Threads = NUM_CORES,
) -> None:
    """Write the overlays of a video, or of a folder of frames, as an MP4.

    Frames without a mask are not shown.
    """
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.overlay import OverlayStyle
    from bddseg.vis.video import overlay_video

    result = overlay_video(
        source,
        results,
        out,
        choose_task(task, results),
        style=OverlayStyle(alpha=alpha, contour=contour, legend=legend),
        side_by_side=side_by_side,
        fps=Fraction(fps).limit_denominator(1001) if fps else None,
        options=DrawOptions(limit=limit, num_threads=threads, track=track),
    )
    report(result, "frame", out, as_json=as_json)

"""`bddseg vis colorize`: masks as colormaps."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Limit,
    Out,
    TaskName,
    Threads,
    choose_task,
)
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Resume, report
from bddseg.progress import NUM_CORES

EXAMPLES = """
Examples:

bddseg vis colorize -i out/masks -o colormaps

bddseg vis colorize -i out/drivable.json -o colormaps --rgb
"""


def colorize(
    masks: Annotated[
        Path,
        typer.Option(
            "--input",
            "-i",
            help="A folder of masks, or Scalabel JSON.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ],
    out: Out,
    task: TaskName = None,
    limit: Limit = None,
    rgb: Annotated[
        bool,
        typer.Option(
            "--rgb", help="Write three channels, without a palette.", rich_help_panel=OUTPUT
        ),
    ] = False,
    resume: Resume = False,
    as_json: AsJson = False,
    threads: Threads = NUM_CORES,
) -> None:
    """Write masks as colormaps: palette PNGs in the colors of the task."""
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.colorize import colorize_masks

    result = colorize_masks(
        masks,
        out,
        choose_task(task, masks),
        rgb=rgb,
        options=DrawOptions(limit=limit, resume=resume, num_threads=threads, track=track),
    )
    report(result, "colormap", out, as_json=as_json)

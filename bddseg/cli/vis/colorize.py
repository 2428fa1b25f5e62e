"""`bddseg vis colorize`: masks as colormaps."""

from pathlib import Path
from typing import Annotated

from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Limit,
    Out,
    Overwrite,
    TaskName,
    Threads,
    choose_checked_task,
    option,
)
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Resume, report
from bddseg.progress import NUM_CORES


def colorize(
    masks: Annotated[Path, option("--input -i", "A folder of masks, or Scalabel JSON.", INPUT)],
    out: Out,
    task: TaskName = None,
    limit: Limit = None,
    rgb: Annotated[
        bool, option("--rgb", "Write three channels, without a palette.", OUTPUT)
    ] = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Write masks as colormaps: palette PNGs in the colors of the task.

    Examples:
      bddseg vis colorize -i out/masks -o colormaps
      bddseg vis colorize -i out/drivable.json -o colormaps --rgb
    """
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.colorize import colorize_masks

    result = colorize_masks(
        masks,
        out,
        choose_checked_task(task, masks),
        rgb=rgb,
        options=DrawOptions(
            limit=limit, resume=resume, overwrite=overwrite, num_threads=threads, track=track
        ),
    )
    report(result, "colormap", out, as_json=as_json)

"""`bddseg vis errors`: where predictions differ from the ground truth."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.options import (
    INPUT,
    AsJson,
    GroundTruth,
    Input,
    Limit,
    Out,
    Overwrite,
    Results,
    TaskName,
    Threads,
    number,
    option,
)
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Resume, report
from bddseg.progress import NUM_CORES


def errors(
    frames: Input,
    ground_truth: GroundTruth,
    results: Results,
    out: Out,
    task: TaskName = None,
    worst: Annotated[
        int | None, number("--worst", "Only the N frames with the lowest mean IoU.", INPUT)
    ] = None,
    per_image: Annotated[
        Path | None,
        option("--per-image", "What `bddseg eval --per-image` wrote.", INPUT, metavar="CSV"),
    ] = None,
    limit: Limit = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Draw true positives, false negatives, false positives and wrong classes on each frame.

    The frame's IoU is written in the corner. With --worst, files are numbered from the worst.

    Examples:
      bddseg vis errors -i frames -g gt -r out/masks -o errors
      bddseg vis errors -i frames -g gt -r out -o worst --worst 9 --per-image f.csv
    """
    if (worst is None) != (per_image is None):
        raise typer.BadParameter("Use --worst and --per-image together.")
    from bddseg.data.result_task import find_score_task
    from bddseg.metrics.per_image import read_worst
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.error_map import draw_error_maps

    result = draw_error_maps(
        frames,
        ground_truth,
        results,
        out,
        find_score_task(task, ground_truth, results),
        names=read_worst(per_image, worst) if per_image and worst else None,
        options=DrawOptions(
            limit=limit, resume=resume, overwrite=overwrite, num_threads=threads, track=track
        ),
    )
    report(result, "error map", out, as_json=as_json)

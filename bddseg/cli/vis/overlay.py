"""`bddseg vis overlay`: masks blended onto their frames."""

from typing import Annotated, Literal

from bddseg.cli.options import (
    OUTPUT,
    AsJson,
    Input,
    Limit,
    Out,
    Overwrite,
    Results,
    TaskName,
    Threads,
    choose_checked_task,
    option,
)
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Alpha, Contour, Legend, Resume, report
from bddseg.progress import NUM_CORES


def overlay(
    frames: Input,
    results: Results,
    out: Out,
    task: TaskName = None,
    limit: Limit = None,
    alpha: Alpha = 0.5,
    contour: Contour = False,
    legend: Legend = False,
    image_format: Annotated[
        Literal["jpg", "png"], option("--format", "File format of the overlays.", OUTPUT)
    ] = "jpg",
    resume: Resume = False,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Blend masks or colormaps onto their frames. The background does not change.

    Frames and masks are paired by path or, failing that, by file name.

    Examples:
      bddseg vis overlay -i frames -r out/masks -o overlays
      bddseg vis overlay -i frames -r out/drivable.json -o overlays --legend
    """
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.overlay import OverlayStyle, overlay_frames

    result = overlay_frames(
        frames,
        results,
        out,
        choose_checked_task(task, results),
        style=OverlayStyle(alpha=alpha, contour=contour, legend=legend),
        image_format=image_format,
        options=DrawOptions(
            limit=limit, resume=resume, overwrite=overwrite, num_threads=threads, track=track
        ),
    )
    report(result, "overlay", out, as_json=as_json)

"""`bddseg vis video`: overlays as an MP4."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated

from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Limit,
    Overwrite,
    Results,
    TaskName,
    Threads,
    choose_checked_task,
    number,
    option,
    out_file,
)
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Alpha, Contour, Legend, report
from bddseg.progress import NUM_CORES


def video(
    source: Annotated[
        str,
        option("--input -i", "A video, or a folder, a glob pattern or a list of frames.", INPUT),
    ],
    results: Results,
    out: Annotated[Path, out_file("MP4 file to write.")],
    task: TaskName = None,
    limit: Limit = None,
    alpha: Alpha = 0.5,
    contour: Contour = False,
    legend: Legend = False,
    side_by_side: Annotated[
        bool,
        option("--side-by-side", "Frame on the left, overlay on the right.", OUTPUT),
    ] = False,
    fps: Annotated[
        float | None,
        number("--fps", "Frames per second, else the source's or 30.", OUTPUT, min=0.01, max=1000),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Write the overlays of a video, or of a folder of frames, as an MP4.

    Frames without a mask are not shown.

    Examples:
      bddseg vis video -i drive.mp4 -r out/masks -o overlay.mp4
      bddseg vis video -i frames -r out/masks -o out.mp4 --side-by-side
    """
    from bddseg.vis.batch import DrawOptions
    from bddseg.vis.overlay import OverlayStyle
    from bddseg.vis.video import overlay_video

    result = overlay_video(
        source,
        results,
        out,
        choose_checked_task(task, results),
        style=OverlayStyle(alpha=alpha, contour=contour, legend=legend),
        side_by_side=side_by_side,
        fps=Fraction(fps).limit_denominator(1001) if fps else None,
        options=DrawOptions(limit=limit, overwrite=overwrite, num_threads=threads, track=track),
    )
    report(result, "frame", out, as_json=as_json)

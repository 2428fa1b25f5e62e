"""`bddseg report`: results as a page to look at in a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import format_size, show, show_json, show_note
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    AttributesFile,
    MetricNames,
    Overwrite,
    ResultsToCompare,
    TaskName,
    Threads,
    number,
    option,
)
from bddseg.cli.progress import track
from bddseg.progress import NUM_CORES, pluralize

if TYPE_CHECKING:
    from bddseg.report.write import ReportSummary


def report(
    results: ResultsToCompare,
    out: Annotated[Path, option("--out -o", "A file NAME.html, or a folder.", OUTPUT)],
    ground_truth: Annotated[
        Path | None,
        option("--ground-truth -g", "Masks, or Scalabel JSON; without it, no scores.", INPUT),
    ] = None,
    frames: Annotated[
        str | None,
        option("--input -i", "Frames: an image, a folder, a glob pattern or a list file.", INPUT),
    ] = None,
    task: TaskName = None,
    attributes: AttributesFile = None,
    by: Annotated[
        str,
        option("--by", "Only these attributes: weather,timeofday.", "Scores", metavar="NAMES"),
    ] = "",
    metrics: MetricNames = None,
    images: Annotated[
        int | None,
        number(
            "--images", "Frames with images; by default 100 in a file, all in a folder.", OUTPUT
        ),
    ] = None,
    width: Annotated[int, number("--width", "Width of images in pixels, at most.", OUTPUT)] = 1280,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Write a page with scores, charts and all frames, which opens without a server.

    With -o NAME.html it is one file; with -o FOLDER, images are files beside the
    page, for sets of any size.

    Examples:
      bddseg report -g labels/val -r out -i frames -o report.html
      bddseg report -r out-a -r out-b -i frames -o report
    """
    if by and attributes is None:
        raise typer.BadParameter("--by needs --attributes.")
    if metrics and ground_truth is None:
        raise typer.BadParameter("--metric needs --ground-truth.")
    from bddseg.report.write import ReportOptions, write_report

    summary = write_report(
        results,
        out,
        ground_truth=ground_truth,
        frames=frames,
        task=task,
        options=ReportOptions(
            metrics=metrics or (),
            attributes=attributes,
            by=by.split(",") if by else (),
            num_images=images,
            width=width,
            overwrite=overwrite,
            num_threads=threads,
            track=track,
        ),
    )
    _show(summary, as_json=as_json)


def _show(summary: "ReportSummary", *, as_json: bool) -> None:
    for note in summary.notes:
        show_note(note)
    if as_json:
        show_json(
            {
                "page": str(summary.page),
                "frames": summary.frames,
                "with_images": summary.with_images,
                "files": summary.files,
                "bytes": summary.size_bytes,
                "notes": summary.notes,
            }
        )
        return
    show(
        f"{summary.page}: {pluralize(summary.frames, 'frame')}, {summary.with_images:,} with "
        f"images; {pluralize(summary.files, 'file')}, {format_size(summary.size_bytes)}."
    )

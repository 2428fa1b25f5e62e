"""`bddseg labels convert`: label files from one encoding to another."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bddseg.bdd100k.convert import Target, convert_labels
from bddseg.cli.console import show, show_error, show_json
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Overwrite,
    TaskName,
    Threads,
    choose_task,
    option,
)
from bddseg.cli.progress import track
from bddseg.data.encodings import Encoding
from bddseg.progress import NUM_CORES, pluralize

_SOURCE = "Folder of PNG files, or Scalabel JSON with masks or polygons."
_OUT = "Output folder; for --to rle, a JSON file."


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help=_SOURCE)],
    out: Annotated[Path, option("--out -o", _OUT, OUTPUT)],
    task: TaskName = None,
    encoding: Annotated[
        Literal["auto", "current", "legacy", "color"],
        option("--from", "Encoding of the PNG files.", INPUT),
    ] = "auto",
    target: Annotated[Target, option("--to", "Encoding to write.", OUTPUT)] = Target.CURRENT,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Convert label files: current and legacy ids, colors, run-length encoded JSON.

    Also converts the dataset's polygons to masks; that needs the extra `bdd100k`.

    Examples:
      bddseg labels convert colormaps -o masks
      bddseg labels convert out/masks -o drivable.json --to rle
    """
    conversion = convert_labels(
        source,
        out,
        choose_task(task, source),
        encoding=None if encoding == "auto" else Encoding(encoding),
        target=target,
        overwrite=overwrite,
        num_threads=threads,
        track=track,
    )
    for failure in conversion.failures:
        show_error(failure)
    if as_json:
        show_json(
            {
                "out": str(out),
                "source_encoding": conversion.source_encoding,
                "encoding": target.value,
                "converted": conversion.converted,
                "failures": [
                    {"error": each.message, "hint": each.hint} for each in conversion.failures
                ],
            }
        )
    else:
        written = pluralize(conversion.converted, "label map")
        show(f"{written} written to {out}, converted from {conversion.source_encoding}.")
    if conversion.failures:
        raise typer.Exit(1)

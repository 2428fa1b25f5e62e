"""`bddseg labels convert`: label files from one encoding to another."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bddseg.bdd100k.convert import Target, convert_labels
from bddseg.bdd100k.encodings import Encoding
from bddseg.cli.console import show, show_error, show_json
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Overwrite,
    TaskName,
    Threads,
    choose_task,
)
from bddseg.cli.progress import track
from bddseg.progress import NUM_CORES, pluralize


class SourceEncoding(StrEnum):
    """The encoding of the source: detected, or one that can be converted."""

    AUTO = "auto"
    CURRENT = "current"
    LEGACY = "legacy"
    COLOR = "color"


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of PNG files, or Scalabel JSON with masks or polygons.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Output folder; for --to rle, a JSON file.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    task: TaskName = None,
    encoding: Annotated[
        SourceEncoding,
        typer.Option("--from", help="Encoding of the PNG files.", rich_help_panel=INPUT),
    ] = SourceEncoding.AUTO,
    target: Annotated[
        Target, typer.Option("--to", help="Encoding to write.", rich_help_panel=OUTPUT)
    ] = Target.CURRENT,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Convert label files: current and legacy ids, colors, run-length encoded JSON.

    Converts the dataset's polygons to masks, too, if bddseg[bdd100k] is installed.

    Examples:
      bddseg labels convert colormaps -o masks

      bddseg labels convert out/masks -o drivable.json --to rle
    """
    conversion = convert_labels(
        source,
        out,
        choose_task(task, source),
        encoding=None if encoding is SourceEncoding.AUTO else Encoding(encoding.value),
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

"""`bddseg vis grid`: many images in one."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show, show_json
from bddseg.cli.options import INPUT, OUTPUT, AsJson, Threads
from bddseg.cli.progress import track
from bddseg.progress import NUM_CORES, pluralize

EXAMPLES = """
Examples:

bddseg vis grid -i overlays -o grid.jpg

bddseg vis grid -i errors -o grid.png -n 4 --columns 2 --width 480
"""


def grid(
    images: Annotated[
        str,
        typer.Option(
            "--input",
            "-i",
            help="Images: a folder, a glob pattern or a list file.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="JPEG or PNG file to write.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            "-n",
            min=1,
            metavar="N",
            help="At most N images, evenly spaced.",
            rich_help_panel=INPUT,
        ),
    ] = 12,
    columns: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Number of images in a row.", rich_help_panel=OUTPUT),
    ] = 4,
    width: Annotated[
        int,
        typer.Option(
            min=16, metavar="N", help="Width of each image in pixels.", rich_help_panel=OUTPUT
        ),
    ] = 320,
    names: Annotated[
        bool,
        typer.Option(
            "--names/--no-names", help="Write the name below each image.", rich_help_panel=OUTPUT
        ),
    ] = True,
    as_json: AsJson = False,
    threads: Threads = NUM_CORES,
) -> None:
    """Draw frames, overlays or error maps side by side in one image."""
    from bddseg.data.sources.files import find_images
    from bddseg.vis.grid import sample_evenly, write_grid

    # An earlier grid in the same folder is not part of the new one.
    found = [ref for ref in find_images(images) if ref.path.resolve() != out.resolve()]
    chosen = sample_evenly(found, limit)
    write_grid(
        chosen,
        out,
        columns=columns,
        width=width,
        show_names=names,
        num_threads=threads,
        track=track,
    )
    if as_json:
        show_json({"out": str(out), "drawn": len(chosen), "found": len(found)})
    else:
        show(f"{len(chosen):,} of {pluralize(len(found), 'image')} drawn in {out}.")

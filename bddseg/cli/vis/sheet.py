"""`bddseg vis sheet`: many pictures as one."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show
from bddseg.cli.options import ALL_CORES, Workers
from bddseg.cli.progress import track
from bddseg.cli.vis.options import Frames


def sheet(
    pictures: Frames,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A JPEG or PNG file.", show_default=False)
    ],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="So many pictures, evenly chosen.")
    ] = 12,
    columns: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 4,
    width: Annotated[int, typer.Option(min=16, help="Of each picture, in pixels.")] = 320,
    captions: Annotated[bool, typer.Option(help="Write each picture's name on it.")] = True,
    workers: Workers = ALL_CORES,
) -> None:
    """Show frames, overlays or comparisons as one picture, in a grid."""
    from bddseg.data.sources import find_frames
    from bddseg.vis.sheet import Cell, choose_evenly, write_sheet

    found = [
        Cell(ref.path, ref.name if captions else "")
        for ref in find_frames(pictures)
        if ref.path.resolve() != out.resolve()
    ]
    cells = choose_evenly(found, number)
    write_sheet(cells, out, columns=columns, cell_width=width, workers=workers, track=track)
    show(f"{len(cells)} of {len(found)} pictures on {out}.")

"""Options and output that the commands of `bddseg vis` share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_error, show_json, show_note
from bddseg.cli.options import OUTPUT, number, option
from bddseg.progress import pluralize

if TYPE_CHECKING:
    from bddseg.vis.batch import DrawResult

# Number of failures shown in full; the rest is counted.
_MAX_SHOWN = 5

Resume = Annotated[bool, option("--resume", "Keep images newer than their inputs.", OUTPUT)]
Alpha = Annotated[
    float,
    number("--alpha", "Opacity of the colors, 0 to 1.", OUTPUT, metavar="X", min=0, max=1),
]
Contour = Annotated[bool, option("--contour", "Draw the contours of regions.", OUTPUT)]
Legend = Annotated[bool, option("--legend", "Draw a legend of the classes.", OUTPUT)]


def report(result: "DrawResult", noun: str, out: Path, *, as_json: bool) -> None:
    """Show how many images were drawn, and what failed. The exit code is 1 if any failed."""
    if as_json:
        show_json(
            {
                "out": str(out),
                "drawn": result.drawn,
                "kept": result.kept,
                "failed": [failure.message for failure in result.failures],
                "unpaired": list(map(str, result.unpaired)),
                "resized": list(result.resized),
            }
        )
    else:
        kept = f", {result.kept:,} kept" if result.kept else ""
        show(f"{pluralize(result.drawn, noun)} written to {out}{kept}.")
    for note in result.notes:
        show_note(note)
    if result.unpaired:
        show_note(
            f"{pluralize(len(result.unpaired), 'frame')} without a mask, "
            f"such as {result.unpaired[0]}."
        )
    if result.resized:
        show_note(
            f"{pluralize(len(result.resized), 'mask')} resized to the frame by nearest neighbor: "
            f"{result.resized[0]}."
        )
    for failure in result.failures[:_MAX_SHOWN]:
        show_error(failure)
    if len(result.failures) > _MAX_SHOWN:
        show_note(f"{len(result.failures) - _MAX_SHOWN:,} more failed.")
    if result.failures:
        raise typer.Exit(1)

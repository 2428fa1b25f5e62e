"""What the commands of `bddseg vis` share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_error, show_note

if TYPE_CHECKING:
    from bddseg.vis.pictures import Outcome

# How many failures or remarks are shown before the rest is only counted.
_LISTED = 5

Frames = Annotated[
    str, typer.Option("--in", "-i", help="Frames: a folder, a glob or a list.", show_default=False)
]
Masks = Annotated[
    Path, typer.Option("--color", "-c", help="Folder of masks or colormaps.", show_default=False)
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only the first N frames.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep pictures that are newer than what they show.")
]
Alpha = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the colours in the blend.")]
Contour = Annotated[bool, typer.Option("--contour", help="Outline regions too.")]
Legend = Annotated[bool, typer.Option("--legend", help="Say what the colours mean.")]


def report(outcome: "Outcome", what: str, out: Path) -> None:
    """Say what drawing came to; exit code 1 if something failed."""
    kept = f", {outcome.kept} kept" if outcome.kept else ""
    show(f"{outcome.drawn} {what} written to {out}{kept}.")
    if outcome.unpaired:
        show_note(f"{len(outcome.unpaired)} frames have no mask, such as {outcome.unpaired[0]}.")
    if outcome.remarks:
        show_note(
            f"{len(outcome.remarks)} masks had another size than their frame, and were scaled by "
            f"nearest neighbour: {outcome.remarks[0]}."
        )
    for failure in outcome.failures[:_LISTED]:
        show_error(failure)
    if len(outcome.failures) > _LISTED:
        show_note(f"And {len(outcome.failures) - _LISTED} more failed.")
    if outcome.failures:
        raise typer.Exit(1)

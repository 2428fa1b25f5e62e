"""`bddseg vis`: pictures of masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show, show_note
from bddseg.cli.options import ALL_CORES, Out, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.errors import BddsegError
from bddseg.tasks import get_task

app = typer.Typer(help="Pictures of masks: colormaps and overlays.", no_args_is_help=True)


@app.command()
def colorize(
    masks: Annotated[Path, typer.Option("--in", "-i", help="Folder of masks.", show_default=False)],
    out: Out,
    task: TaskName = "drivable",
    workers: Workers = ALL_CORES,
) -> None:
    """Write each mask in its task's colours: a palette PNG with the same pixels."""
    from bddseg.vis.colorize import colorize_masks

    outcome = colorize_masks(masks, out, get_task(task), workers=workers, track=track)
    show(f"{outcome.drawn} colormaps written to {out}.")
    _report(outcome.failures)


@app.command()
def overlay(
    frames: Annotated[
        str,
        typer.Option("--in", "-i", help="Frames: a folder, a glob or a list.", show_default=False),
    ],
    masks: Annotated[
        Path,
        typer.Option("--color", "-c", help="Folder of masks or colormaps.", show_default=False),
    ],
    out: Out,
    task: TaskName = "drivable",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Only the first N frames.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the colours in the blend.")
    ] = 0.5,
    workers: Workers = ALL_CORES,
) -> None:
    """Blend masks onto their frames, paired by name; the background stays untouched."""
    from bddseg.vis.overlay import overlay_frames

    outcome = overlay_frames(
        frames, masks, out, get_task(task), alpha=alpha, limit=limit, workers=workers, track=track
    )
    show(f"{outcome.drawn} overlays written to {out}.")
    if outcome.unpaired:
        example = outcome.unpaired[0]
        show_note(f"{len(outcome.unpaired)} frames have no mask, such as {example}.")
    _report(outcome.failures)


def _report(failures: Sequence[BddsegError]) -> None:
    for failure in failures:
        show_note(f"Failed: {failure}")
    if failures:
        raise typer.Exit(1)

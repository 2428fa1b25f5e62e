"""`bddseg demo`: the whole job, without any download."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show, show_note
from bddseg.cli.options import ALL_CORES
from bddseg.cli.progress import track, track_run
from bddseg.cli.score_tables import describe_score


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "demo-output"
    ),
) -> None:
    """Render driving scenes, segment, score and draw them: no network, no downloads."""
    show_note(
        "These are rendered scenes and a small network trained on others like them: they show what "
        "the software does, and say nothing about real roads."
    )
    from bddseg.demo.tour import ENTRY, take_tour

    with track_run("Segmenting") as display:
        tour = take_tour(out, workers=ALL_CORES, track=track, display=display)
    show(describe_score(tour.evaluation))
    show(
        f"\nSynthetic scenes. Look at {tour.sheet}, then at the folders beside it.\n"
        "The same, command by command:\n"
        f"  bddseg infer {ENTRY} {tour.frames} -o {tour.masks}\n"
        f"  bddseg eval -g {tour.truth} -r {tour.masks}\n"
        f"  bddseg vis colorize -i {tour.masks} -o {tour.colormaps}\n"
        f"  bddseg vis overlay -i {tour.frames} -c {tour.masks} -o {tour.overlays}"
    )

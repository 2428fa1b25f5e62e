"""`bddseg scenes`: render scenes, and train a network on them."""

import re
from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    PERFORMANCE,
    AsJson,
    Out,
    Overwrite,
    Threads,
)
from bddseg.cli.progress import track
from bddseg.progress import NUM_CORES, pluralize
from bddseg.types import SizeHW

app = typer.Typer(help="Rendered driving scenes with exact ground truth.", no_args_is_help=True)

_MIN_SIZE_HW = (90, 160)


@app.command()
def render(
    out: Out,
    count: Annotated[
        int,
        typer.Option("--count", "-n", min=1, help="Number of scenes.", rich_help_panel=INPUT),
    ] = 10,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first scene.", rich_help_panel=INPUT)
    ] = 0,
    size: Annotated[
        str,
        typer.Option(metavar="HxW", help="Height and width in pixels.", rich_help_panel=OUTPUT),
    ] = "720x1280",
    threads: Threads = NUM_CORES,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Render labeled synthetic scenes to OUT/images and OUT/masks; existing ones are skipped.

    Examples:
      bddseg scenes render -n 100 -o scenes
      bddseg scenes render -n 100 --seed 100 --size 360x640 -o scenes
    """
    from bddseg_scenes.dataset import render_scenes

    seeds = range(seed, seed + count)
    result = render_scenes(
        seeds, out, _parse_size(size), overwrite=overwrite, num_threads=threads, track=track
    )
    if as_json:
        show_json(
            {
                "images": str(result.images),
                "masks": str(result.masks),
                "seeds": list(seeds),
                "rendered": result.rendered,
                "skipped": result.skipped,
            }
        )
        return
    scenes = pluralize(result.rendered, "scene")
    skipped = f"; {result.skipped} existed" if result.skipped else ""
    show(f"Rendered {scenes} to {result.images} and {result.masks}{skipped}.")


@app.command()
def train(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="File for the weights (safetensors).", rich_help_panel=OUTPUT
        ),
    ],
    steps: Annotated[int, typer.Option(min=1, help="Number of batches.")] = 3000,
    batch_size: Annotated[int, typer.Option(min=2, help="Scenes per batch.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 3e-3,
    num_workers: Annotated[
        int,
        typer.Option(
            "--workers", min=0, help="Processes that render.", rich_help_panel=PERFORMANCE
        ),
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Train the network of the model `demo` on rendered scenes, and score it on others.

    Examples:
      bddseg scenes train -o weights.safetensors
      bddseg scenes train -o weights.safetensors --steps 100 --batch-size 4
    """
    from bddseg_scenes.train import score_scenes, train_demo

    predictor = train_demo(
        out,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        num_workers=num_workers,
        show=show_note,
    )
    show_note("Scoring 100 other scenes")
    score = score_scenes(predictor, range(1000, 1100))
    ious = {name: numbers["iou"] for name, numbers in score["classes"].items()}
    mean = score["mean"]["iou"]
    if as_json:
        show_json({"weights": str(out), "iou": ious, "mean_iou": mean})
        return
    listed = ", ".join(f"{name} {iou:.2f}" for name, iou in ious.items())
    show(f"{out}: IoU {listed}, mean {mean:.2f} on 100 scenes that training did not use.")


def _parse_size(text: str) -> SizeHW:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    height, width = map(int, match.groups()) if match else (0, 0)
    if height < _MIN_SIZE_HW[0] or width < _MIN_SIZE_HW[1]:
        raise typer.BadParameter(
            f"'{text}' is not HEIGHTxWIDTH of at least {_MIN_SIZE_HW[0]}x{_MIN_SIZE_HW[1]}.",
            param_hint="--size",
        )
    return height, width

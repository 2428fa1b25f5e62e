"""`bddseg package`: the zip file for the challenge server."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.bdd100k.evalai import Split, package_masks
from bddseg.cli.console import format_size, show, show_json, show_note
from bddseg.cli.options import (
    INPUT,
    OUTPUT,
    AsJson,
    Overwrite,
    Threads,
    choose_task,
)
from bddseg.cli.progress import track
from bddseg.errors import BddsegError
from bddseg.progress import NUM_CORES, pluralize
from bddseg.tasks.bdd100k import DRIVABLE


def package(
    results: Annotated[
        Path,
        typer.Option(
            "--results",
            "-r",
            help="Predictions: a folder of masks.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="The zip file.", show_default=False, rich_help_panel=OUTPUT
        ),
    ],
    split: Annotated[
        Split,
        typer.Option(help="Part of the dataset that was segmented.", rich_help_panel=INPUT),
    ] = Split.TEST,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Text file with the name of an expected frame on each line.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Allow missing masks, for tests.", rich_help_panel=INPUT),
    ] = False,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Check masks of the drivable task, and pack them for the BDD100K challenge server.

    Lists every mask that the server would refuse; the zip is written only if there is none. It is
    not submitted: upload it to EvalAI yourself.

    Examples:
      bddseg package -r out -o submission.zip

      bddseg package -r out/masks -o trial.zip --split val --partial
    """
    task = choose_task(None, results)
    if task != DRIVABLE:
        raise BddsegError(
            f"{results} holds masks of the task {task.name}, and the server scores drivable.",
            "Use the results of a model whose task is drivable: bddseg zoo list",
        )
    outcome = package_masks(
        results,
        out,
        split,
        names=_read_names(names) if names else None,
        partial=partial,
        overwrite=overwrite,
        num_threads=threads,
        track=track,
    )
    for each in outcome.violations:
        show_note(f"{each.file or results}: {each.problem}.")
    if as_json:
        show_json(
            {
                "out": None if outcome.violations else str(out),
                "masks": outcome.num_masks,
                "size_bytes": outcome.size_bytes,
                "violations": [
                    {"file": each.file, "problem": each.problem} for each in outcome.violations
                ],
            }
        )
    elif not outcome.violations:
        size = format_size(outcome.size_bytes)
        show(f"{pluralize(outcome.num_masks, 'mask')} in {out} ({size}).")
    if outcome.violations:
        raise BddsegError(
            f"{out} was not written because of {pluralize(len(outcome.violations), 'problem')}, "
            "listed above.",
            "Fix the masks, or use --partial if only masks are missing.",
        )


def _read_names(path: Path) -> set[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BddsegError(f"{path} cannot be read: {error}.", "Check the path.") from error
    return {Path(line.strip()).stem for line in lines if line.strip()}

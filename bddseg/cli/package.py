"""`bddseg package`: the zip file for the challenge server."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from bddseg.bdd100k.evalai import Split, package_masks
from bddseg.cli.console import format_size, show, show_json, show_note
from bddseg.cli.options import (
    INPUT,
    AsJson,
    Overwrite,
    Threads,
    choose_task,
    option,
    out_file,
    results_option,
)
from bddseg.cli.progress import track
from bddseg.errors import BddsegError
from bddseg.io.read import read_lines
from bddseg.progress import NUM_CORES, pluralize
from bddseg.tasks.bdd100k import DRIVABLE


def package(
    results: Annotated[Path, results_option("Predictions: a folder of masks.")],
    out: Annotated[Path, out_file("The zip file.")],
    split: Annotated[
        Split, option("--split", "Part of the dataset that was segmented.", INPUT)
    ] = Split.TEST,
    names: Annotated[
        Path | None,
        option("--names", "Text file of the expected frames' names.", INPUT, metavar="FILE"),
    ] = None,
    partial: Annotated[bool, option("--partial", "Allow missing masks, for tests.", INPUT)] = False,
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
        names={Path(line).stem for line in read_lines(names)} if names else None,
        partial=partial,
        overwrite=overwrite,
        num_threads=threads,
        track=track,
    )
    for each in outcome.violations:
        show_note(f"{each.file or results}: {each.problem}.")
    if as_json:
        content = {
            "out": None if outcome.violations else str(out),
            "masks": outcome.num_masks,
            "size_bytes": outcome.size_bytes,
            "violations": [asdict(each) for each in outcome.violations],
        }
        show_json(content)
    elif not outcome.violations:
        size = format_size(outcome.size_bytes)
        show(f"{pluralize(outcome.num_masks, 'mask')} in {out} ({size}).")
    if outcome.violations:
        raise BddsegError(
            f"{out} was not written because of {pluralize(len(outcome.violations), 'problem')}, "
            "listed above.",
            "Fix the masks, or use --partial if only masks are missing.",
        )

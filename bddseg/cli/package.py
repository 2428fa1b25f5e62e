"""`bddseg package`: the zip file for the challenge server."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from bddseg.bdd100k.evalai import NUM_FRAMES, SERVER, Split, Violation, package_masks
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

_NAMES = (
    "Text file of the names of the frames that the zip has to hold, in place of all frames of the "
    "split."
)
# How many files with the same problem are listed before the rest is only counted.
_MAX_LISTED = 3


def package(
    results: Annotated[Path, results_option("Predictions: a folder of masks.")],
    out: Annotated[Path, out_file("The zip file.")],
    split: Annotated[
        Split, option("--split", "Part of the dataset that was segmented.", INPUT)
    ] = Split.TEST,
    names: Annotated[
        Path | None,
        option("--names", _NAMES, INPUT, metavar="FILE"),
    ] = None,
    partial: Annotated[bool, option("--partial", "Allow missing masks, for tests.", INPUT)] = False,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Check masks of the drivable task, and pack them for the BDD100K challenge server.

    Lists what the server would refuse; the zip is written only if there is nothing. Names of frames
    are checked only with --names: bddseg has no official list of them. Without it, folders of
    frames that are named after another split are refused. The zip is not submitted: upload it to
    EvalAI yourself.

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
    num_problems = _show_violations(results, outcome.violations)
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
        frames = f"all {NUM_FRAMES[split]:,} frames of {split}"
        show_note(f"Upload it to {SERVER}, which scores {frames}.")
    if outcome.violations:
        missing = "" if partial else ", or use --partial if only masks are missing"
        raise BddsegError(
            f"{out} was not written because of {pluralize(num_problems, 'problem')}, listed above.",
            f"Fix the masks{missing}.",
        )


def _show_violations(results: Path, violations: Iterable[Violation]) -> int:
    """Print each problem once, with the first files that have it; return how many there are."""
    files_by_problem: dict[str, list[str]] = defaultdict(list)
    for each in violations:
        files_by_problem[each.problem].append(each.file or str(results))
    for problem, files in files_by_problem.items():
        num_more = len(files) - _MAX_LISTED
        more = f" and {num_more:,} more" if num_more > 0 else ""
        show_note(f"{', '.join(files[:_MAX_LISTED])}{more}: {problem}.")
    return len(files_by_problem)

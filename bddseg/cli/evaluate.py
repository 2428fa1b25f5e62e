"""`bddseg eval`: masks against truth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_note, track
from bddseg.cli.options import ALL_CORES, AsJson, TaskName, Workers
from bddseg.files import write_atomically
from bddseg.tasks import get_task

if TYPE_CHECKING:
    from rich.console import Group

    from bddseg.metrics.evaluation import Evaluation


def evaluate(
    truth: Annotated[
        Path, typer.Option("--gt", "-g", help="Folder of truth masks.", show_default=False)
    ],
    result: Annotated[
        Path, typer.Option("--result", "-r", help="Folder of masks to score.", show_default=False)
    ],
    task: TaskName = "drivable",
    out_file: Annotated[
        Path | None,
        typer.Option(help="Also write the score as the official tool does (JSON)."),
    ] = None,
    workers: Workers = ALL_CORES,
    as_json: AsJson = False,
) -> None:
    """Score masks exactly as the official BDD100K evaluator does.

    Masks are paired by file name, whatever subfolder they are in. In the drivable tasks, truth
    pixels of the background are left out: what is wrongly found there costs nothing.
    """
    from bddseg.metrics.evaluation import evaluate as run_evaluation

    evaluation = run_evaluation(truth, result, get_task(task), workers=workers, track=track)
    if out_file is not None:
        official = json.dumps(evaluation.score.to_official(), indent=2)
        write_atomically(out_file, official.encode())
    if as_json:
        show_json(_to_json(evaluation))
    else:
        show(describe_score(evaluation))
    for count, what in (
        (len(evaluation.missing), "truth masks have no result; each counts as wholly wrong"),
        (len(evaluation.surplus), "results have no truth; they count for nothing"),
    ):
        if count:
            show_note(f"{count} {what}.")


def describe_score(evaluation: "Evaluation") -> "Group":
    """Return the score as a table, a row for each class and the mean, with what it rests on."""
    from rich.console import Group
    from rich.table import Table

    score = evaluation.score
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    table.add_column("IoU", justify="right")
    table.add_column("Acc", justify="right")
    for name in evaluation.task.scored_classes:
        table.add_row(name, f"{score.iou[name]:.2f}", f"{score.acc[name]:.2f}")
    table.add_row("mean", f"{score.mean_iou:.2f}", f"{score.mean_acc:.2f}", style="bold")
    return Group(
        f"Official score, task {evaluation.task.name}, {evaluation.frames} frames\n",
        table,
        f"\npAcc {score.pixel_acc:.2f}, fIoU {score.frequency_weighted_iou:.2f}. "
        "Acc is the evaluator's word for precision.",
    )


def _to_json(evaluation: "Evaluation") -> dict[str, object]:
    return {
        "task": evaluation.task.name,
        "frames": evaluation.frames,
        "missing": [str(path) for path in evaluation.missing],
        "surplus": [str(path) for path in evaluation.surplus],
        "official": evaluation.score.to_official(),
    }

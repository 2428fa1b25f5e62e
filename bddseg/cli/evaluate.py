"""`bddseg eval`: masks against truth."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import ALL_CORES, AsJson, TaskName, Workers
from bddseg.cli.progress import track
from bddseg.cli.score_tables import (
    describe_conditions,
    describe_score,
    show_comparison,
    to_json,
)
from bddseg.files import write_atomically
from bddseg.tasks import get_task

# Points of mIoU between the official and the plain score from which a warning is due.
_NOTABLE_GAP = 1.0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bddseg.metrics.conditions import ConditionScore
    from bddseg.metrics.evaluation import Evaluation, ImageScore


def evaluate(
    truth: Annotated[
        Path,
        typer.Option(
            "--gt", "-g", help="Truth: a folder of masks, or Scalabel JSON.", show_default=False
        ),
    ],
    results: Annotated[
        list[Path],
        typer.Option(
            "--result",
            "-r",
            help="What to score, likewise; several are compared with the first.",
            show_default=False,
        ),
    ],
    task: TaskName = "drivable",
    out_file: Annotated[
        Path | None,
        typer.Option(help="Also write the score as the official tool does (JSON)."),
    ] = None,
    per_image: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Also write each frame's scores and counts.")
    ] = None,
    worst_first: Annotated[
        bool, typer.Option("--sort", help="In that file, put the worst frames first.")
    ] = False,
    by: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Break down by attributes: weather,scene,timeofday."),
    ] = "",
    attributes: Annotated[
        Path | None, typer.Option(metavar="JSON", help="The dataset's labels, which have them.")
    ] = None,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Score edges too: boundary IoU; takes longer.")
    ] = False,
    workers: Workers = ALL_CORES,
    as_json: AsJson = False,
) -> None:
    """Score masks exactly as the official BDD100K evaluator does, and plainly beside it.

    They are paired by name, whatever subfolder they are in; run-length encoded masks are read from
    a JSON file, or a folder of such files. In the official score, truth
    pixels of the background are left out: what is wrongly found there costs nothing. In the plain
    one they count.
    """
    if len(results) > 1 and (out_file or per_image or by):
        raise typer.BadParameter("--out-file, --per-image and --by are for one result.")
    if bool(by) != bool(attributes):
        raise typer.BadParameter("--by and --attributes go together.")
    from bddseg.metrics.evaluation import ImageScore
    from bddseg.metrics.evaluation import evaluate as run_evaluation
    from bddseg.metrics.table import write_images

    evaluations: list[Evaluation] = []
    images: list[list[ImageScore]] = [[] for _ in results]
    for result, found in zip(results, images, strict=True):
        evaluations.append(
            run_evaluation(
                truth,
                result,
                get_task(task),
                workers=workers,
                track=track,
                boundary=boundary,
                on_image=found.append if per_image or by or len(results) > 1 else None,
            )
        )
    if per_image is not None:
        write_images(per_image, images[0], get_task(task), worst_first=worst_first)
    if out_file is not None:
        official = json.dumps(evaluations[0].score.to_official(), indent=2)
        write_atomically(out_file, official.encode())
    if len(results) > 1:
        show_comparison(results, evaluations, images, as_json=as_json)
    else:
        conditions = _score_conditions(images[0], attributes, by.split(","), task)
        if as_json:
            rows = {"by": [asdict(each) for each in conditions]} if conditions else {}
            show_json(to_json(evaluations[0]) | rows)
        else:
            show(describe_score(evaluations[0]))
            if conditions:
                show(describe_conditions(conditions))
    for result, evaluation in zip(results, evaluations, strict=True):
        _warn(evaluation, f"{result}: " if len(results) > 1 else "")


def _score_conditions(
    images: "Sequence[ImageScore]", path: Path | None, names: "Sequence[str]", task: str
) -> "Sequence[ConditionScore]":
    from bddseg.metrics.conditions import read_attributes, score_conditions

    if path is None:
        return []
    return score_conditions(images, read_attributes(path), names, get_task(task))


def _warn(evaluation: "Evaluation", prefix: str) -> None:
    """Say what may mislead in a score."""
    gap = evaluation.score.mean_iou - evaluation.plain.mean_iou
    if abs(gap) > _NOTABLE_GAP:
        show_note(
            f"{prefix}The official mIoU is {gap:+.1f} points off the plain one: it does not see "
            "what happens on the background. Trust the plain one."
        )
    for count, what in (
        (len(evaluation.missing), "frames with truth have no result; each counts as wholly wrong"),
        (len(evaluation.surplus), "results have no truth; they count for nothing"),
    ):
        if count:
            show_note(f"{prefix}{count} {what}.")

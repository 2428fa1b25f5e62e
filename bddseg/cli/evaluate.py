"""`bddseg eval`: predictions against ground truth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import show, show_json, show_next, show_note
from bddseg.cli.options import (
    OUTPUT,
    AsJson,
    AttributesFile,
    GroundTruth,
    MetricNames,
    Overwrite,
    ResultsToCompare,
    TaskName,
    Threads,
    choose_task,
    option,
)
from bddseg.cli.progress import track
from bddseg.cli.score_tables import describe_comparison, describe_conditions, describe_score
from bddseg.io.atomic import write_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.progress import NUM_CORES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bddseg.metrics.evaluation import Evaluation


def evaluate(
    ground_truth: GroundTruth,
    results: ResultsToCompare,
    task: TaskName = None,
    attributes: AttributesFile = None,
    by: Annotated[
        str,
        option("--by", "Scores by attribute: weather,timeofday.", "Scores", metavar="NAMES"),
    ] = "",
    metrics: MetricNames = None,
    per_image: Annotated[
        Path | None,
        option("--per-image", "Write the scores of each frame.", OUTPUT, metavar="CSV"),
    ] = None,
    worst_first: Annotated[
        bool, option("--worst-first", "Sort that file by score.", OUTPUT)
    ] = False,
    out_file: Annotated[
        Path | None,
        option("--out-file", "Write the official tool's file.", OUTPUT, metavar="JSON"),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Score masks exactly as the official BDD100K evaluator does, and by standard metrics.

    The official score ignores false positives on the background; the standard
    score counts them. Files are paired by path or, failing that, by file name.

    Examples:
      bddseg eval -g labels/val -r out
      bddseg eval -g labels/val -r out-a -r out-b --metric boundary
    """
    if len(results) > 1 and (out_file or per_image or by):
        raise typer.BadParameter("--out-file, --per-image and --by need a single -r.")
    if bool(by) != bool(attributes):
        raise typer.BadParameter("--by and --attributes need each other.")
    if worst_first and per_image is None:
        raise typer.BadParameter("--worst-first needs --per-image.")
    from bddseg.metrics import evaluate as library

    refuse_overwriting(
        [path for path in (per_image, out_file) if path],
        _list_inputs(ground_truth, results[0], attributes, task),
        overwrite=overwrite,
    )
    evaluations = [
        library.evaluate(
            ground_truth,
            predictions,
            task=task,
            metrics=metrics or (),
            num_threads=threads,
            track=track,
        )
        for predictions in results
    ]
    if per_image is not None:
        from bddseg.metrics.per_image import write_frames

        write_frames(per_image, evaluations[0], worst_first=worst_first)
    if out_file is not None:
        from bddseg.metrics.official import format_official

        content = json.dumps(format_official(evaluations[0]["official"]), indent=2)
        write_atomically(out_file, content.encode())
    if len(results) > 1:
        _show_comparison(results, evaluations, as_json=as_json)
    else:
        _show_scores(evaluations[0], attributes, by, as_json=as_json)
    for predictions, evaluation in zip(results, evaluations, strict=True):
        for warning in evaluation.warnings:
            show_note(f"{predictions}: {warning}" if len(results) > 1 else warning)
    if not as_json:
        options = ["-g", ground_truth, "-r", results[-1], *(["-t", task] if task else [])]
        show_next("bddseg", *_choose_next(options, results[-1], per_image, metrics or ()))


def _choose_next(
    options: "Sequence[object]", results: Path, per_image: Path | None, metrics: "Sequence[str]"
) -> "Sequence[object]":
    """Return a command that shows where predictions are wrong."""
    from bddseg.record import find_record

    name = str(results).removesuffix(".json")
    if per_image is None:
        table = f"{name}-scores.csv"
        return ("eval", *options, "--per-image", table, "--worst-first")
    record = find_record(results)
    source = record.arguments.get("source") if record else None
    if isinstance(source, str) and Path(source).exists():
        worst = ("--worst", 4, "--per-image", per_image)
        return ("vis", "errors", "-i", source, *options, "-o", f"{name}-errors", *worst)
    return ("eval", *options, "--metric", ",".join(dict.fromkeys([*metrics, "boundary"])))


def _list_inputs(
    ground_truth: Path, results: Path, attributes: Path | None, task: str | None
) -> "Iterator[Path]":
    from bddseg.data.label_set import open_label_set

    chosen = choose_task(task, ground_truth, results)
    for source in (ground_truth, results):
        yield from (ref.path for ref in open_label_set(source, chosen).values())
    if attributes:
        yield attributes


def _show_scores(
    evaluation: "Evaluation", attributes: Path | None, by: str, *, as_json: bool
) -> None:
    conditions = []
    if attributes is not None:
        from bddseg.metrics.conditions import read_attributes, score_conditions

        conditions = score_conditions(evaluation, read_attributes(attributes), by.split(","))
    if as_json:
        show_json(evaluation.to_dict() | ({"by": conditions} if conditions else {}))
        return
    show(describe_score(evaluation))
    if conditions:
        show(describe_conditions(evaluation, conditions))


def _show_comparison(
    results: list[Path], evaluations: "list[Evaluation]", *, as_json: bool
) -> None:
    from bddseg.metrics.bootstrap import compare_evaluations

    differences = [compare_evaluations(evaluations[0], each) for each in evaluations[1:]]
    if not as_json:
        show(describe_comparison(results, evaluations, differences))
        return
    rows = [
        {"predictions": str(path)} | evaluation.to_dict()
        for path, evaluation in zip(results, evaluations, strict=True)
    ]
    for row, changes in zip(rows[1:], differences, strict=True):
        row["difference"] = {key: change.to_dict() for key, change in changes.items()}
    show_json(rows)

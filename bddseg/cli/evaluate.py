"""`bddseg eval`: predictions against ground truth."""

import json
from dataclasses import asdict
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
    option,
)
from bddseg.cli.progress import track
from bddseg.cli.score_tables import describe_comparison, describe_conditions, describe_score
from bddseg.io.atomic import write_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.progress import NUM_CORES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from bddseg.metrics.evaluation import Evaluation
    from bddseg.tasks.task import Task


def evaluate(
    ground_truth: GroundTruth,
    results: ResultsToCompare,
    task: TaskName = None,
    attributes: AttributesFile = None,
    by: Annotated[
        str,
        option(
            "--by",
            "Scores by attributes too, such as weather,timeofday.",
            "Scores",
            metavar="NAMES",
        ),
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
        option(
            "--out-file",
            "Write the official tool's file; of several results, NAME-1.json and so on.",
            OUTPUT,
            metavar="JSON",
        ),
    ] = None,
    overwrite: Overwrite = False,
    threads: Threads = NUM_CORES,
    as_json: AsJson = False,
) -> None:
    """Score masks exactly as the official BDD100K evaluator does, and by standard metrics.

    The official score ignores false positives on the background; the standard
    score counts them. Files are paired by path or, failing that, by file name.
    Labels of drivable are mapped where the task is drivable_binary.

    Examples:
      bddseg eval -g labels/val -r out
      bddseg eval -g labels/val -r out-a -r out-b --metric boundary
    """
    if len(results) > 1 and per_image:
        raise typer.BadParameter("--per-image needs a single -r.")
    if bool(by) != bool(attributes):
        raise typer.BadParameter("--by and --attributes need each other.")
    if worst_first and per_image is None:
        raise typer.BadParameter("--worst-first needs --per-image.")
    from bddseg.data.result_task import find_score_task
    from bddseg.metrics import evaluate as library
    from bddseg.metrics.evaluation import list_warnings

    chosen = find_score_task(task, ground_truth, *results)
    official_files = _name_files(out_file, len(results))
    refuse_overwriting(
        [*official_files, *([per_image] if per_image else [])],
        _list_inputs([ground_truth, *results], attributes, chosen),
        overwrite=overwrite,
    )
    evaluations = [
        library.evaluate(
            ground_truth,
            predictions,
            task=chosen,
            metrics=metrics or (),
            num_threads=threads,
            track=track,
        )
        for predictions in results
    ]
    if per_image is not None:
        from bddseg.metrics.per_image import write_frames

        write_frames(per_image, evaluations[0], worst_first=worst_first)
    for path, evaluation in zip(official_files, evaluations, strict=False):
        _write_official(path, evaluation)
    for warning in list_warnings(results, evaluations):
        show_note(warning)
    conditions = _score_conditions(evaluations, attributes, by) if attributes else []
    _show_scores(results, evaluations, conditions, as_json=as_json)
    if not as_json:
        options = ["-g", ground_truth, "-r", results[-1], *(["-t", task] if task else [])]
        show_next("bddseg", *_choose_next(options, results[-1], per_image, metrics or ()))


def _name_files(out_file: Path | None, number: int) -> list[Path]:
    """Return the file of each result: of several, NAME-1.json and so on."""
    if out_file is None or number == 1:
        return [out_file] if out_file else []
    return [out_file.with_stem(f"{out_file.stem}-{each}") for each in range(1, number + 1)]


def _write_official(path: Path, evaluation: "Evaluation") -> None:
    from bddseg.metrics.official import format_official

    write_atomically(path, json.dumps(format_official(evaluation["official"]), indent=2).encode())


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
    sources: "Sequence[Path]", attributes: Path | None, task: "Task"
) -> "Iterator[Path]":
    from bddseg.data.task_labels import open_as_task

    for source in sources:
        yield from (ref.path for ref in open_as_task(source, task)[0].values())
    if attributes:
        yield attributes


def _score_conditions(
    evaluations: "Sequence[Evaluation]", attributes: Path, by: str
) -> "list[list[dict[str, Any]]]":
    """Return the scores by condition of each result."""
    from bddseg.metrics.conditions import read_attributes, score_conditions

    values = read_attributes(attributes)
    return [score_conditions(each, values, by.split(",")) for each in evaluations]


def _show_scores(
    results: "Sequence[Path]",
    evaluations: "Sequence[Evaluation]",
    conditions: "Sequence[list[dict[str, Any]]]",
    *,
    as_json: bool,
) -> None:
    from bddseg.metrics.bootstrap import compare_samples, sample_headlines, summarize_samples

    samples = [sample_headlines(each) for each in evaluations]
    intervals = [summarize_samples(each) for each in samples]
    differences = [compare_samples(samples[0], each) for each in samples[1:]]
    if as_json:
        rows = [
            evaluation.to_dict() | {"intervals": {key: asdict(each) for key, each in found.items()}}
            for evaluation, found in zip(evaluations, intervals, strict=True)
        ]
        for row, scored in zip(rows, conditions, strict=False):
            row["by"] = scored
        for row, changes in zip(rows[1:], differences, strict=True):
            row["difference"] = {key: change.to_dict() for key, change in changes.items()}
        numbered = zip(results, rows, strict=True)
        several = [{"predictions": str(path)} | row for path, row in numbered]
        show_json(several if len(rows) > 1 else rows[0])
        return
    if len(results) > 1:
        show(describe_comparison(results, evaluations, differences))
    else:
        show(describe_score(evaluations[0], intervals[0]))
    for path, evaluation, scored in zip(results, evaluations, conditions, strict=False):
        show(describe_conditions(evaluation, scored, path if len(results) > 1 else None))

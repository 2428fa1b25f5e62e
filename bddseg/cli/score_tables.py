"""Scores as `bddseg eval` shows them: tables, and plain data for JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from bddseg.cli.console import show, show_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Group, RenderableType

    from bddseg.metrics.conditions import ConditionScore
    from bddseg.metrics.evaluation import Evaluation, ImageScore


def describe_score(evaluation: "Evaluation") -> "Group":
    """Return the scores as tables, a row for each class, with what they rest on."""
    from rich.console import Group
    from rich.table import Table

    score, plain, binary = evaluation.score, evaluation.plain, evaluation.binary
    official = Table(box=None, pad_edge=False, header_style="bold")
    official.add_column("class")
    for heading in ("IoU", "Acc"):
        official.add_column(heading, justify="right")
    for name in evaluation.task.scored_classes:
        official.add_row(name, f"{score.iou[name]:.2f}", f"{score.acc[name]:.2f}")
    official.add_row("mean", f"{score.mean_iou:.2f}", f"{score.mean_acc:.2f}", style="bold")
    counted = Table(box=None, pad_edge=False, header_style="bold")
    counted.add_column("class")
    edges = evaluation.boundary_iou
    for heading in ("IoU", "precision", "recall", "F1", *(["boundary IoU"] if edges else [])):
        counted.add_column(heading, justify="right")
    for name, each in plain.classes.items():
        values = [each.iou, each.precision, each.recall, each.f1]
        values += [edges[name]] if edges else []
        counted.add_row(name, *(f"{value:.2f}" for value in values))
    counted.add_row("mean", f"{plain.mean_iou:.2f}", style="bold")
    background = "" if evaluation.task.background is None else ", without the background"
    parts: list[RenderableType] = [
        f"Official score, task {evaluation.task.name}, {evaluation.frames} frames: truth pixels of "
        "the background are left out.\n",
        official,
        f"\npAcc {score.pixel_acc:.2f}, fIoU {score.frequency_weighted_iou:.2f}. "
        "Acc is the evaluator's word for precision.",
        "\nPlain score: all known pixels count, so false positives on the background cost.\n",
        counted,
        f"\nThe mean is over the classes that occur{background}.",
    ]
    if binary:
        drivable = binary.classes["drivable"]
        parts.append(
            f"\nDrivable or not: IoU {drivable.iou:.2f}, mIoU with the background "
            f"{binary.mean_iou_all:.2f}, pixel accuracy {binary.pixel_acc:.2f} (what the YOLOP "
            "family reports)."
        )
    return Group(*parts)


def to_json(evaluation: "Evaluation") -> dict[str, object]:
    """Return an evaluation as plain data."""
    names = [*evaluation.task.classes, "unknown"]
    return {
        "task": evaluation.task.name,
        "frames": evaluation.frames,
        "missing": evaluation.missing,
        "surplus": evaluation.surplus,
        "official": evaluation.score.to_official(),
        "plain": asdict(evaluation.plain),
        "boundary_iou": evaluation.boundary_iou,
        "binary": asdict(evaluation.binary) if evaluation.binary else None,
        "confusion": {"classes": names, "truth_by_result": evaluation.counts.tolist()},
    }


def describe_conditions(conditions: "Sequence[ConditionScore]") -> "Group":
    """Return the scores by condition as a table."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("attribute")
    table.add_column("value")
    for heading in ("frames", "official mIoU", "mIoU"):
        table.add_column(heading, justify="right")
    for each in conditions:
        scores = (f"{each.official_miou:.2f}", f"{each.miou:.2f}")
        table.add_row(each.attribute, each.value, str(each.frames), *scores)
    return Group("\nBy condition, the worst first; mIoU counts the background.\n", table)


def show_comparison(
    results: "Sequence[Path]",
    evaluations: "Sequence[Evaluation]",
    images: "Sequence[Sequence[ImageScore]]",
    *,
    as_json: bool,
) -> None:
    """Show several results, and how each differs from the first."""
    import numpy as np
    from rich.table import Table

    from bddseg.metrics.comparison import compare_results, official_miou, plain_miou

    task = evaluations[0].task
    counts = [np.stack([image.counts for image in each]) for each in images]
    differences = [
        [compare_results(counts[0], each, task, measure) for measure in (official_miou, plain_miou)]
        for each in counts[1:]
    ]
    if as_json:
        rows = [
            {"result": str(result), **to_json(evaluation)}
            for result, evaluation in zip(results, evaluations, strict=True)
        ]
        for row, (official, plain) in zip(rows[1:], differences, strict=True):
            row["difference"] = {"official_miou": asdict(official), "miou": asdict(plain)}
        show_json(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("result")
    for heading in ("official mIoU", "difference", "95 %", "mIoU", "difference", "95 %"):
        table.add_column(heading, justify="right")
    for number, (result, evaluation) in enumerate(zip(results, evaluations, strict=True)):
        cells: list[str] = []
        for place, value in enumerate((evaluation.score.mean_iou, evaluation.plain.mean_iou)):
            cells.append(f"{value:.2f}")
            if number == 0:
                cells += ["", ""]
                continue
            difference = differences[number - 1][place]
            mark = "" if difference.is_clear else " (noise)"
            cells.append(f"{difference.value:+.2f}{mark}")
            cells.append(f"{difference.low:+.2f} to {difference.high:+.2f}")
        table.add_row(str(result), *cells)
    show(table)
    show(
        f"\nTask {task.name}, {evaluations[0].frames} frames. mIoU counts the background, the "
        "official one does not. Differences are from the first result; the interval is a paired "
        "bootstrap over frames, and (noise) stands where it holds 0."
    )

"""Scores as `bddseg eval` shows them."""

import math
from typing import TYPE_CHECKING

from bddseg.cli.table import make_table
from bddseg.progress import pluralize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from rich.console import Group, RenderableType

    from bddseg.metrics.bootstrap import Difference, Interval
    from bddseg.metrics.evaluation import Evaluation
    from bddseg.metrics.metric import MetricTable, Scores


def describe_score(
    evaluation: "Evaluation", intervals: "Mapping[str, Interval] | None" = None
) -> "Group":
    """Return a table for each metric, with a row for each class.

    Args:
        evaluation: The evaluation.
        intervals: The intervals of its headlines, if they are to be shown.
    """
    from rich.console import Group

    frames = pluralize(len(evaluation.frames), "frame")
    parts: list[RenderableType] = [f"Task {evaluation.task.name}, {frames}. In percent."]
    for name, metric in evaluation.metrics.items():
        parts += ["", *_describe_metric(evaluation[name], metric.table)]
        if intervals:
            parts.append(_describe_intervals(name, metric.table, intervals))
    return Group(*parts)


def describe_conditions(
    evaluation: "Evaluation", rows: "Sequence[dict[str, Any]]", predictions: "Path | None" = None
) -> "Group":
    """Return the headlines by condition as a table.

    Args:
        evaluation: The evaluation.
        rows: What `score_conditions` returns.
        predictions: The result, if there are several.
    """
    from rich.console import Group

    headings = evaluation.headings
    table = make_table(
        ["attribute", "value", "frames", *headings.values()],
        [
            [row["attribute"], row["value"], str(row["frames"])]
            + [_format(row[key]) for key in headings]
            for row in rows
        ],
        text=(0, 1),
    )
    order = headings[evaluation.rank_key]
    of = f" of {predictions}" if predictions else ""
    return Group("", f"By condition{of}, the worst first ({order}):", "", table)


def describe_comparison(
    predictions: "Sequence[Path]",
    evaluations: "Sequence[Evaluation]",
    differences: "Sequence[dict[str, Difference]]",
) -> "Group":
    """Return the headlines of several results, and how each differs from the first.

    Args:
        predictions: Path of each result.
        evaluations: Evaluation of each.
        differences: For each but the first, the difference from the first in each headline.
    """
    from rich.console import Group
    from rich.text import Text

    first = evaluations[0]
    rows: list[list[str]] = []
    for key, heading in first.headings.items():
        for number, evaluation in enumerate(evaluations):
            cells = _describe_difference(differences[number - 1][key]) if number else ["", ""]
            rows.append([heading, str(number + 1), _format(evaluation.headlines[key]), *cells])
    frames = pluralize(len(first.frames), "frame")
    return Group(
        f"Task {first.task.name}, {frames}. In percent.",
        *(Text(f"{number}: {path}", overflow="fold") for number, path in enumerate(predictions, 1)),
        "",
        make_table(["score", "result", "value", "difference", "95 % interval"], rows),
        "",
        "Differences are from result 1; the interval is a paired bootstrap over frames. "
        "n.s.: not significant, the interval includes 0.",
    )


def _describe_metric(scores: "Scores", table: "MetricTable") -> "list[RenderableType]":
    rows = [
        [name, *(_format(numbers.get(key, math.nan)) for key in table.columns)]
        for name, numbers in scores["classes"].items()
    ]
    bold = frozenset({len(rows)})
    if scores["mean"]:
        mean = scores["mean"]
        cells = [_format(mean[key]) if key in mean else "" for key in table.columns]
        rows.append([table.mean_label, *cells])
    overall = ", ".join(
        f"{heading} {_format(scores['overall'][key])}" for key, heading in table.overall.items()
    )
    below = [f"{overall}."] if overall else []
    return [
        table.title,
        make_table(["class", *table.columns.values()], rows, bold=bold),
        *below,
        *table.notes,
    ]


def _describe_intervals(
    name: str, table: "MetricTable", intervals: "Mapping[str, Interval]"
) -> str:
    found = [(each.heading, intervals[f"{name}_{each.key}"]) for each in table.headlines]
    return "\n".join(
        f"{name} {heading}: {_format(each.value)}, 95 % interval {_format(each.low)} to "
        f"{_format(each.high)}."
        for heading, each in found
    )


def _describe_difference(difference: "Difference") -> list[str]:
    mark = "" if difference.significant else " n.s."
    interval = f"{_format(difference.low, '+')} to {_format(difference.high, '+')}"
    return [_format(difference.value, "+") + mark, interval]


def _format(value: float, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.2f}"

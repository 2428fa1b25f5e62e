"""The parts of the page above its frames, as plain data for the template."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bddseg.metrics.bootstrap import (
    Interval,
    compare_samples,
    estimate_intervals,
    sample_headlines,
    summarize_samples,
)
from bddseg.metrics.conditions import Attributes, group_frames, score_conditions
from bddseg.metrics.confusion import UNLABELED, Counts
from bddseg.metrics.evaluation import Evaluation, FrameResult
from bddseg.record import find_record
from bddseg.report.layers import name_results
from bddseg.report.measure import NUM_LEVELS, Measures
from bddseg.tasks.task import Task

# Bins of the reliability diagram, as many levels in each.
_NUM_BINS = 16


def describe_results(results: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the letter and the path of each result, and what its run record says.

    Raises:
        BddsegError: a run record cannot be read.
    """
    rows = []
    for letter, path in zip(name_results(len(results)), results, strict=True):
        record = find_record(path)
        run = {}
        if record is not None:
            run = {
                "model": record.model,
                "weights": str(record.weights.get("path", "")),
                "device": record.device,
                "started": record.started,
                "failures": len(record.failures),
            }
        rows.append({"letter": letter, "path": str(path), "run": run})
    return rows


def describe_headlines(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return each headline: its interval in each result, and its difference from the first."""
    if not evaluations:
        return []
    letters = name_results(len(evaluations))
    samples = [sample_headlines(each) for each in evaluations]
    intervals = [summarize_samples(each) for each in samples]
    changes = [compare_samples(samples[0], each) for each in samples[1:]]
    return [
        {
            "heading": heading,
            "results": [
                {"letter": letter} | _describe_interval(each[key])
                for letter, each in zip(letters, intervals, strict=True)
            ],
            "differences": [
                {"letter": letter, "significant": each[key].significant}
                | _describe_interval(each[key])
                for letter, each in zip(letters[1:], changes, strict=True)
            ],
        }
        for key, heading in evaluations[0].headings.items()
    ]


def describe_metrics(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return the table of each metric: the numbers of each class in each result."""
    letters = name_results(len(evaluations))
    tables = []
    for name, metric in evaluations[0].metrics.items() if evaluations else ():
        table = metric.table
        scores = [each[name] for each in evaluations]
        rows = [
            (class_name, [each["classes"][class_name] for each in scores])
            for class_name in scores[0]["classes"]
        ]
        if scores[0]["mean"]:
            rows.append((table.mean_label, [each["mean"] for each in scores]))
        tables.append(
            {
                "name": name,
                "title": table.title,
                "columns": list(table.columns.values()),
                "rows": [
                    {
                        "name": row_name,
                        "results": [
                            {
                                "letter": letter,
                                "cells": [numbers.get(key, math.nan) for key in table.columns],
                            }
                            for letter, numbers in zip(letters, row, strict=True)
                        ],
                    }
                    for row_name, row in rows
                ],
                "overall": [
                    {"heading": heading, "cells": [each["overall"][key] for each in scores]}
                    for key, heading in table.overall.items()
                ],
                "notes": list(table.notes),
            }
        )
    return tables


def describe_confusion(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return the confusion matrix of each result: pixels, and shares of the ground truth's pixels.

    Unlabeled rows and columns without pixels are left out.
    """
    matrices = []
    for letter, evaluation in zip(name_results(len(evaluations)), evaluations, strict=True):
        counts = evaluation.confusion
        names = [*evaluation.task.classes, UNLABELED]
        rows, columns = (
            [index for index, name in enumerate(names) if name != UNLABELED or sums[index]]
            for sums in (counts.sum(axis=1), counts.sum(axis=0))
        )
        matrices.append(
            {
                "letter": letter,
                "columns": [names[index] for index in columns],
                "rows": [
                    {
                        "name": names[row],
                        "cells": [
                            {
                                "pixels": int(counts[row, column]),
                                "share": float(counts[row, column] / max(1, counts[row].sum())),
                                "right": row == column,
                            }
                            for column in columns
                        ],
                    }
                    for row in rows
                ],
            }
        )
    return matrices


def describe_provenance(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return how scores were computed: a value where it is the same for all, else one for each."""
    flat = [dict(_flatten(each.provenance)) for each in evaluations]
    letters = name_results(len(flat))
    rows = []
    for name in flat[0] if flat else ():
        values = [each[name] for each in flat]
        cells = [{"letter": "", "value": values[0]}]
        if len(set(values)) > 1:
            cells = [
                {"letter": letter, "value": value}
                for letter, value in zip(letters, values, strict=True)
            ]
        rows.append({"name": name, "cells": cells})
    return rows


def describe_conditions(
    evaluations: Sequence[Evaluation], attributes: Mapping[str, Attributes], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the scores by each attribute: its values, worst first, with intervals in each result.

    Raises:
        BddsegError: no frame has one of the attributes.
    """
    if not evaluations:
        return []
    letters = name_results(len(evaluations))
    rank_key = evaluations[0].rank_key
    scored = [score_conditions(each, attributes, names) for each in evaluations]
    by_condition = [{(row["attribute"], row["value"]): row for row in rows} for rows in scored]
    intervals = [_estimate_by_condition(each, attributes, names) for each in evaluations]
    return [
        {
            "attribute": name,
            "heading": evaluations[0].headings[rank_key],
            "rows": [
                {
                    "value": row["value"],
                    "frames": row["frames"],
                    "results": [
                        {"letter": letter, "headlines": _list_headlines(rows[name, row["value"]])}
                        | _describe_interval(known[name, row["value"]])
                        for letter, rows, known in zip(
                            letters, by_condition, intervals, strict=True
                        )
                    ],
                }
                for row in scored[0]
                if row["attribute"] == name
            ],
        }
        for name in names
    ]


def describe_calibration(measures: Measures) -> list[dict[str, Any]]:
    """Return how often pixels of each confidence are right, for each result with probabilities.

    The expected calibration error is the mean difference between confidence and accuracy over the
    bins, weighted by pixels, in percent (Guo et al., 2017, arXiv 1706.04599).
    """
    rows = []
    letters = name_results(len(measures.levels))
    for letter, counts in zip(letters, measures.levels, strict=True):
        total = int(counts.sum())
        if not total:
            continue
        bins = [_describe_bin(counts, index, total) for index in range(_NUM_BINS)]
        filled = [each for each in bins if each["share"]]
        rows.append(
            {
                "letter": letter,
                "bins": filled,
                "accuracy": 100 * int(counts[1].sum()) / total,
                "confidence": 100 * sum(each["share"] * each["confidence"] for each in filled),
                "error": 100
                * sum(
                    each["share"] * abs(each["confidence"] - each["accuracy"]) for each in filled
                ),
            }
        )
    return rows


def describe_areas(task: Task, measures: Measures) -> list[dict[str, Any]]:
    """Return the mean share of pixels of each class in each result, in percent."""
    letters = name_results(measures.areas.shape[1])
    return [
        {
            "name": name,
            "results": [
                {"letter": letter, "value": 100 * _mean(measures.areas[:, row, class_id])}
                for row, letter in enumerate(letters)
            ],
        }
        for class_id, name in enumerate(task.classes)
    ]


def describe_changes(measures: Measures) -> list[dict[str, Any]]:
    """Return the mean share of pixels that differ from the first result, in percent."""
    letters = name_results(measures.changed.shape[1])
    return [
        {"letter": letter, "value": 100 * _mean(measures.changed[:, row])}
        for row, letter in enumerate(letters)
        if row
    ]


def _describe_interval(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _list_headlines(row: Mapping[str, Any]) -> dict[str, float]:
    return {key: row[key] for key in row if key not in ("attribute", "value", "frames")}


def _estimate_by_condition(
    evaluation: Evaluation, attributes: Mapping[str, Attributes], names: Sequence[str]
) -> dict[tuple[str, str], Interval]:
    """Return the interval of the ranking headline for each value of each attribute."""
    grouped = group_frames([frame.name for frame in evaluation.frames], attributes, names)
    return {
        (name, value): estimate_intervals(_keep_standard(evaluation, indices))[evaluation.rank_key]
        for name, groups in grouped.items()
        for value, indices in groups.items()
    }


def _keep_standard(evaluation: Evaluation, indices: Sequence[int]) -> Evaluation:
    """Return the evaluation of some frames by the standard metric alone, which is quick."""
    frames = [evaluation.frames[index] for index in indices]
    return Evaluation(
        task=evaluation.task,
        frames=tuple(
            FrameResult(
                name=frame.name,
                is_missing=frame.is_missing,
                metrics={"standard": frame.metrics["standard"]},
            )
            for frame in frames
        ),
    )


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names of values, such as "intervals: seed", and the values as text."""
    for key, value in content.items():
        name = prefix + key.replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}: ")
        else:
            yield name, "unknown" if value is None else str(value)


def _describe_bin(counts: Counts, index: int, total: int) -> dict[str, float]:
    """Return a bin, its share of pixels, mean confidence and accuracy, all 0 to 1."""
    width = NUM_LEVELS // _NUM_BINS
    part = counts[:, index * width : (index + 1) * width]
    pixels = int(part.sum())
    levels = (np.arange(index * width, (index + 1) * width) + 0.5) / NUM_LEVELS
    return {
        "low": index / _NUM_BINS,
        "high": (index + 1) / _NUM_BINS,
        "share": pixels / total,
        "confidence": float(part.sum(axis=0) @ levels) / max(1, pixels),
        "accuracy": int(part[1].sum()) / max(1, pixels),
    }


def _mean(values: "np.typing.NDArray[np.float64]") -> float:
    usable = values[~np.isnan(values)]
    return float(usable.mean()) if usable.size else math.nan

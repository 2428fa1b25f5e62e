"""The numbers of each frame: what the page sorts and filters by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bddseg.metrics.evaluation import Evaluation
from bddseg.metrics.metric import compute_headlines
from bddseg.report.layers import name_results
from bddseg.report.measure import Measures
from bddseg.tasks.task import Task

Floats = npt.NDArray[np.float64]
Order = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A number of each frame.

    Attributes:
        label: Its name.
        quantity: What the histogram shows together: the same number of all results.
        result: Letter of the result.
        values: The numbers, (N,); NaN where there is none.
        order: The order that shows the most important frames first.
    """

    label: str
    quantity: str
    result: str
    values: Floats
    order: Order


def make_columns(task: Task, measures: Measures, evaluations: Sequence[Evaluation]) -> list[Column]:
    """Return the columns; the first one is what the page is sorted by at first.

    Args:
        task: Task of the masks.
        measures: Measures of the N frames with R results.
        evaluations: Evaluation of each result; none without ground truth.
    """
    letters = name_results(measures.changed.shape[1])
    columns = _make_score_columns(evaluations, letters)
    changes = [
        _make_percent("changed pixels", letter, measures.changed[:, row])
        for row, letter in enumerate(letters)
        if row
    ]
    confidence = [
        _make_percent("mean confidence", letter, measures.confidence[:, row], "ascending")
        for row, letter in enumerate(letters)
        if not np.isnan(measures.confidence[:, row]).all()
    ]
    areas = [
        _make_percent(f"area {name}", letter, measures.areas[:, row, class_id])
        for class_id, name in enumerate(task.foreground)
        for row, letter in enumerate(letters)
    ]
    return [*columns, *changes, *confidence, *areas]


def choose_frames(columns: Sequence[Column], num_frames: int, limit: int) -> list[int]:
    """Return the indices of the most important frames: each column's first ones in turns.

    Args:
        columns: Columns; of scores, only those of the first one's quantity count.
        num_frames: Number of frames.
        limit: How many to return, at most.
    """
    if limit >= num_frames:
        return list(range(num_frames))
    quantities = {columns[0].quantity, "difference", "changed pixels", "mean confidence"}
    orders = [sort_column(each) for each in columns if each.quantity in quantities]
    chosen = dict.fromkeys(int(index) for rank in zip(*orders, strict=True) for index in rank)
    return sorted(list(chosen)[:limit])


def sort_column(column: Column) -> npt.NDArray[np.intp]:
    """Return the indices of frames in the order of a column; those without a number come last."""
    values = column.values
    if column.quantity == "difference":
        values = -np.abs(values)
    elif column.order == "descending":
        values = -values
    return np.argsort(values, kind="stable")


def _make_score_columns(evaluations: Sequence[Evaluation], letters: Sequence[str]) -> list[Column]:
    """Return the headlines of each result, the one that ranks first, and differences from A."""
    if not evaluations:
        return []
    rows = [
        [compute_headlines(frame.metrics) for frame in evaluation.frames]
        for evaluation in evaluations
    ]
    rank_key, headings = evaluations[0].rank_key, evaluations[0].headings
    keys = [rank_key, *(key for key in headings if key != rank_key)]
    tables = [np.array([[row[key] for key in keys] for row in each]) for each in rows]
    columns = [
        Column(
            label=f"{headings[key]} {letter}",
            quantity=headings[key],
            result=letter,
            values=table[:, number],
            order="ascending",
        )
        for number, key in enumerate(keys)
        for letter, table in zip(letters, tables, strict=True)
    ]
    differences = [
        Column(
            label=f"{letter} - A, {headings[rank_key]}",
            quantity="difference",
            result=letter,
            values=table[:, 0] - tables[0][:, 0],
            order="ascending",
        )
        for letter, table in list(zip(letters, tables, strict=True))[1:]
    ]
    return columns + differences


def _make_percent(
    quantity: str, letter: str, shares: Floats, order: Order = "descending"
) -> Column:
    return Column(
        label=f"{quantity} {letter}",
        quantity=quantity,
        result=letter,
        values=100 * shares,
        order=order,
    )

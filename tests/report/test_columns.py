"""Which frames are shown first, and which have images."""

import numpy as np

from bddseg.report.columns import Column, choose_frames, sort_column


def make_column(quantity: str, values: list[float], *, descending: bool = False) -> Column:
    return Column(
        label=quantity,
        quantity=quantity,
        result="A",
        values=np.array(values),
        order="descending" if descending else "ascending",
    )


SCORES = make_column("score", [50, 10, np.nan, 40, 30])
DIFFERENCES = make_column("difference", [0, 1, np.nan, -9, 8])


def test_low_scores_and_large_differences_come_first_and_missing_ones_last() -> None:
    assert sort_column(SCORES).tolist() == [1, 4, 3, 0, 2]
    assert sort_column(DIFFERENCES).tolist() == [3, 4, 1, 0, 2]
    changes = make_column("changed pixels", [1, 3, np.nan, 2, 0], descending=True)
    assert sort_column(changes).tolist() == [1, 3, 0, 4, 2]


def test_the_worst_and_the_most_changed_frames_are_chosen_in_turns() -> None:
    columns = [SCORES, DIFFERENCES, make_column("other", [0, 5, 5, 5, 5])]
    assert choose_frames(columns, 5, 2) == [1, 3]
    assert choose_frames(columns, 5, 3) == [1, 3, 4]
    assert choose_frames(columns, 5, 9) == [0, 1, 2, 3, 4]

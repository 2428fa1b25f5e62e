"""What a run shows on a terminal or in a log."""

from dataclasses import replace

import pytest
from bddseg_train.live import open_view
from bddseg_train.scored import Scored
from bddseg_train.view import Snapshot

SNAPSHOT = Snapshot(
    step=1,
    iterations=9,
    loss=0.5,
    learning_rate=0.01,
    images_per_s=3.0,
    wait_share=0.5,
    remaining_s=60.0,
    memory_mb={},
    last=None,
    best=None,
)


def make_scored(step: int, weights: str, score: float) -> Scored:
    scores = {"standard_miou": score}
    return Scored(step=step, weights=weights, score=score, chosen_by="standard_miou", scores=scores)


def test_a_line_at_each_evaluation_says_what_has_which_score(
    capsys: pytest.CaptureFixture[str],
) -> None:
    best = make_scored(2, "average", 13.15)
    with open_view() as view:
        view.update(SNAPSHOT)
        for step, last in ((2, best), (3, best), (4, make_scored(4, "weights", 9.5))):
            view.update(replace(SNAPSHOT, step=step, last=last, best=best))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"step {n} of 9" for n in (1, 2, 4)]
    assert "scores of weights after step 4: standard_miou 9.50" in lines[2]
    assert lines[2].endswith("best score 13.15 (standard_miou, averaged weights after step 2)")

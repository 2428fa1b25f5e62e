"""The task that results are scored as."""

from pathlib import Path

import pytest
from metrics.helpers import write_record

from bddseg.data.result_task import find_score_task, find_task
from bddseg.errors import BddsegError


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """Output folders of runs, by task; "" has no record."""
    folders = {name: tmp_path / (name or "masks") for name in ("", "drivable", "drivable_binary")}
    for name, folder in folders.items():
        folder.mkdir()
        if name:
            write_record(folder, name)
    return folders


@pytest.mark.parametrize(
    ("task", "truth", "results", "expected"),
    [
        (None, "", [""], "drivable"),
        (None, "", ["drivable_binary"], "drivable_binary"),
        (None, "drivable", ["drivable_binary"], "drivable_binary"),
        (None, "drivable_binary", [""], "drivable_binary"),
        (None, "", ["", "drivable_binary"], "drivable_binary"),
        ("drivable_binary", "drivable", ["drivable", "drivable_binary"], "drivable_binary"),
    ],
)
def test_the_task_of_a_score(
    runs: dict[str, Path], task: str | None, truth: str, results: list[str], expected: str
) -> None:
    found = find_score_task(task, runs[truth], *(runs[name] for name in results))
    assert found.name == expected


def test_results_of_different_tasks_are_refused_with_the_task_that_both_can_become(
    runs: dict[str, Path],
) -> None:
    both = runs["drivable"], runs["drivable_binary"]
    message = r"To score all as drivable or background, use -t drivable_binary\."
    for results in (both, both[::-1]):
        with pytest.raises(BddsegError, match=message):
            find_score_task(None, runs[""], *results)
    write_record(runs[""], "sem_seg")
    with pytest.raises(BddsegError, match=r"Give results of one task\."):
        find_score_task(None, None, runs[""], runs["drivable"])


def test_a_coarser_task_never_becomes_a_finer_one(runs: dict[str, Path]) -> None:
    for truth, result in (("drivable_binary", "drivable"), ("", "drivable_binary")):
        with pytest.raises(BddsegError, match="of the task drivable_binary, not of the task"):
            find_score_task("drivable", runs[truth], runs[result])


def test_what_is_drawn_or_packaged_has_to_be_of_the_task_itself(runs: dict[str, Path]) -> None:
    with pytest.raises(BddsegError, match="of the task drivable, not of the task drivable_binary"):
        find_task("drivable_binary", runs["drivable"])

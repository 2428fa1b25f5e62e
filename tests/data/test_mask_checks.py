"""What masks say about their task and encoding."""

from pathlib import Path

import numpy as np
import pytest
from label_files import LEGACY, draw_scenes
from metrics.helpers import write_record

from bddseg.data.mask import list_masks, write_mask
from bddseg.data.mask_checks import MaskSample, sample_masks
from bddseg.tasks.bdd100k import DRIVABLE, SEM_SEG
from bddseg.tasks.task import Task
from bddseg.types import LabelMap


def write(folder: Path, number: int, labels: LabelMap) -> Path:
    for name in range(number):
        write_mask(folder / f"{name:03}.png", labels)
    return folder


def sample(folder: Path, task: Task = DRIVABLE) -> MaskSample:
    found = sample_masks(folder, list_masks(folder), task)
    assert found is not None
    return found


@pytest.mark.parametrize(("number", "is_named"), [(3, False), (20, True), (200, True)])
def test_a_class_that_never_occurs_is_named_unless_masks_are_few(
    tmp_path: Path, number: int, is_named: bool
) -> None:
    labels = np.full((4, 4), 2, np.uint8)
    labels[2:] = 0
    found = sample(write(tmp_path, number, labels))
    assert found.number <= 40
    assert found.ids == {0, 2}
    assert any("no alternative" in each for each in found.describe_problems()) == is_named


def test_masks_of_the_task_and_a_few_others_are_no_problem(tmp_path: Path) -> None:
    for name, labels in draw_scenes().items():
        write_mask(tmp_path / f"{name}.png", labels)
    write_mask(tmp_path / "unlabeled.png", np.full((720, 1280), 255, np.uint8))
    assert sample(tmp_path).describe_problems() == []
    (tmp_path / "broken.png").write_text("broken")
    assert sample(tmp_path).describe_problems() == []


def test_a_task_without_legacy_labels_is_never_called_legacy(tmp_path: Path) -> None:
    for name, labels in draw_scenes().items():
        write_mask(tmp_path / f"{name}.png", LEGACY[labels])
    assert sample(tmp_path).is_legacy
    other = Task(
        name="sky", classes=("sky", "road", "other"), colors=DRIVABLE.colors, background="other"
    )
    for task in (SEM_SEG, other):
        assert not sample(tmp_path, task).is_legacy


def test_results_of_a_run_are_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path / "masks", 3, np.zeros((4, 4), np.uint8))
    write_record(tmp_path)
    assert sample_masks(tmp_path / "masks", list_masks(tmp_path / "masks"), DRIVABLE) is None

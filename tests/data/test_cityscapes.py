"""Ids of Cityscapes."""

import numpy as np
import pytest

from bddseg.data.cityscapes import to_cityscapes_ids
from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, DRIVABLE_BINARY, SEM_SEG
from bddseg.tasks.task import Task

IDS = np.array([[0, 1, 2, 255]], np.uint8)


def test_what_can_be_driven_on_is_road_and_the_rest_is_unlabeled() -> None:
    assert to_cityscapes_ids(IDS, DRIVABLE).tolist() == [[7, 7, 0, 0]]
    assert to_cityscapes_ids(IDS, DRIVABLE, train=True).tolist() == [[0, 0, 255, 255]]
    assert to_cityscapes_ids(IDS, DRIVABLE_BINARY).tolist() == [[7, 0, 0, 0]]


def test_the_classes_of_sem_seg_are_the_train_ids() -> None:
    labels = np.array([[*range(19), 255]], np.uint8)
    assert np.array_equal(to_cityscapes_ids(labels, SEM_SEG, train=True), labels)
    label_ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 0]
    assert to_cityscapes_ids(labels, SEM_SEG).tolist() == [label_ids]


def test_a_task_without_classes_of_cityscapes_is_refused() -> None:
    lanes = Task(name="lanes", classes=("lane",), colors=((1, 2, 3),))
    with pytest.raises(BddsegError, match="none of the classes of lanes: lane"):
        to_cityscapes_ids(IDS, lanes)

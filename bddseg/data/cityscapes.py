"""Ids of the Cityscapes dataset."""

import numpy as np

from bddseg.errors import BddsegError
from bddseg.tasks.task import Task
from bddseg.types import LabelMap

# Name -> label id; train ids number these from 0. Source: cityscapesscripts/helpers/labels.py of
# https://github.com/mcordts/cityscapesScripts.
LABEL_IDS = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
_UNLABELED_ID, _IGNORED_TRAIN_ID = 0, 255
# Cityscapes has one class for all that can be driven on.
_ROAD = {"direct", "alternative", "drivable"}


def to_cityscapes_ids(labels: LabelMap, task: Task, *, train: bool = False) -> LabelMap:
    """Return the ids of Cityscapes, (H, W), uint8, for class ids.

    Classes get the id of Cityscapes' class of the same name; those of drivable areas become road.
    All else is unlabeled: label id 0, train id 255.

    Args:
        labels: Class ids, (H, W), uint8.
        task: Task of the class ids.
        train: Return train ids instead of label ids.

    Raises:
        BddsegError: Cityscapes has no class of the task.
    """
    names = ["road" if name in _ROAD else name for name in task.classes]
    if LABEL_IDS.keys().isdisjoint(names):
        raise BddsegError(
            f"Cityscapes has none of the classes of {task.name}: {', '.join(task.classes)}.",
            "Convert to another encoding with --to.",
        )
    table = np.full(256, _IGNORED_TRAIN_ID if train else _UNLABELED_ID, np.uint8)
    for class_id, name in enumerate(names):
        if name in LABEL_IDS:
            table[class_id] = list(LABEL_IDS).index(name) if train else LABEL_IDS[name]
    return table[labels]

"""What a task has to be."""

import numpy as np

from bddseg.tasks.task import Task, get_task
from bddseg.testing.check import check


def check_task(task: Task) -> None:
    """Check a registered task: names and colors that can be told apart.

    Raises:
        AssertionError: it is not registered, or two classes have the same name or color.
    """
    check(get_task(task.name) == task, f"'{task.name}' is registered under another name")
    check(len(set(task.classes)) == task.num_classes, "two classes have the same name")
    colors = np.array(task.colors)
    check(colors.shape == (task.num_classes, 3), "every class needs a color: R, G, B")
    check(bool(((colors >= 0) & (colors <= 255)).all()), "colors are numbers from 0 to 255")
    check(len(set(task.colors)) == task.num_classes, "two classes have the same color")

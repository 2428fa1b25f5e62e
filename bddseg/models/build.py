"""Architectures: the functions that build networks, and building the network of an entry."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from bddseg.errors import BddsegError
from bddseg.models.options import call_with_options, check_takes_keywords
from bddseg.registry import Registry
from bddseg.specs import Entry
from bddseg.tasks.task import get_task


def _check(candidate: Any) -> None:
    check_takes_keywords(candidate)
    signature = inspect.signature(candidate)
    if "num_classes" not in signature.parameters:
        raise TypeError(f"its function has no parameter num_classes: {signature}")


# Each builds a network from explicit keywords, `num_classes` and its options; its state dict has
# the checkpoint's names.
ARCHITECTURES: Registry[Callable[..., nn.Module]] = Registry(
    "bddseg.architectures", "architecture", check=_check
)


def build_network(entry: Entry) -> nn.Module:
    """Return a new network of an entry's architecture and options.

    It has as many classes as the entry's task, or as its class_map.

    Raises:
        BddsegError: There is no such architecture, an option does not fit it, or the class_map
            misses a class of the task.
    """
    if not entry.architecture:
        raise BddsegError(
            f"{entry.name} has no architecture: its network is in its file.",
            f"Use it with the runtime '{entry.runtime}'.",
        )
    architecture = ARCHITECTURES.load(entry.architecture)
    num_classes = count_classes(entry, entry.task)
    try:
        return call_with_options(
            partial(architecture, num_classes=num_classes), entry.options, "options"
        )
    except BddsegError as error:
        raise BddsegError(
            f"{entry.name} (architecture {entry.architecture}): {error.message}", error.hint
        ) from error


def count_classes(entry: Entry, task_name: str) -> int:
    """Return how many classes the network has for one of the entry's tasks.

    Raises:
        BddsegError: The class map misses a class of the task.
    """
    task, class_map = get_task(task_name), entry.get_class_map(task_name)
    if class_map and set(class_map) != set(range(task.num_classes)):
        raise BddsegError(
            f"The class_map {list(class_map)} of {entry.name} does not cover the class ids "
            f"0 to {task.num_classes - 1} of the task {task.name}.",
            "For each class of the network, give the id of one of these classes: "
            f"{', '.join(task.classes)}.",
        )
    return len(class_map) or task.num_classes

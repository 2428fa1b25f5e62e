"""The task of results: the one in the run record beside them."""

from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.record import find_record
from bddseg.tasks.task import Task, get_task


def find_task(task: Task | str | None, *results: Path) -> Task:
    """Return the given task; without one, the task in the run record beside results, else drivable.

    Args:
        task: A task or its name.
        results: Files or folders; those without a run record are ignored.

    Raises:
        BddsegError: there is no such task, or a run record names another one.
    """
    name = task.name if isinstance(task, Task) else task
    for path in results:
        record = find_record(path)
        if record is None:
            continue
        if name not in (None, record.task):
            raise BddsegError(
                f"{path} holds results of the task {record.task}, not of the task {name}.",
                f"Use the task {record.task} (-t {record.task}).",
            )
        name = record.task
    return task if isinstance(task, Task) else get_task(name or "drivable")

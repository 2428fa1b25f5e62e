"""The task of results: the one in the run record beside them."""

from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.record import find_record
from bddseg.tasks.task import TASKS, Task, get_task


def find_task(task: Task | str | None, *results: Path) -> Task:
    """Return the given task; without one, the task in the run record beside results, else drivable.

    Args:
        task: A task or its name.
        results: Files or folders; those without a run record are ignored.

    Raises:
        BddsegError: there is no such task, or a run record names another one.
    """
    return _find_task(task, results, map_finer=False)


def find_score_task(task: Task | str | None, ground_truth: Path | None, *results: Path) -> Task:
    """Return the task to score results as: the given one, else that of the results' run records.

    Ground truth may be of a finer task, and results too if a task is given: `open_as_task` maps
    their label maps.

    Args:
        task: A task or its name.
        ground_truth: The ground truth, if there is one.
        results: Results to score.

    Raises:
        BddsegError: there is no such task; results are of different tasks; or a run record names a
            task whose label maps cannot become those of the task.
    """
    truth = [ground_truth] if ground_truth else []
    if task is None and not any(find_record(path) for path in results):
        return _find_task(None, truth, map_finer=False)
    found = _find_task(task, results, map_finer=True)
    return _find_task(found, truth, map_finer=True)


def find_coarser(*tasks: str) -> Task | None:
    """Return a task that label maps of all these tasks can become, or None."""
    for name in TASKS.list_names():
        try:
            task = TASKS.load(name)
        except BddsegError:
            continue
        if task.finer and all(each == name or task.find_map(each) for each in tasks):
            return task
    return None


def describe_use(task: Task) -> str:
    """Return the hint to score masks as those of a task."""
    return f"To score all as {' or '.join(task.classes)}, use -t {task.name}."


def _find_task(
    task: Task | str | None, results: tuple[Path, ...] | list[Path], *, map_finer: bool
) -> Task:
    given = get_task(task) if isinstance(task, str) else task
    name = given.name if given else None
    for path in results:
        record = find_record(path)
        if record is None or (map_finer and given and given.find_map(record.task)):
            continue
        if name not in (None, record.task):
            coarser = None if given else find_coarser(name or "", record.task)
            hint = f"Use the task {record.task} (-t {record.task})."
            if given is None:
                hint = describe_use(coarser) if coarser else "Give results of one task."
            raise BddsegError(
                f"{path} holds results of the task {record.task}, not of the task {name}.", hint
            )
        name = record.task
    return given or get_task(name or "drivable")

"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bddseg.tasks import TASKS, Task, get_task

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout and nothing else.")
]
TaskOption = Annotated[
    Task,
    typer.Option(
        "--task",
        "-t",
        parser=get_task,
        metavar="TASK",
        help=f"One of {', '.join(TASKS)}.",
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for the results.", show_default=False)
]
Workers = Annotated[
    int, typer.Option("--nproc", min=1, help="Files worked on at a time; default: all cores.")
]


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

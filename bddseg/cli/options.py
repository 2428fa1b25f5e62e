"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bddseg.errors import BddsegError
from bddseg.tasks import TASKS, get_task


def _check_task(name: str) -> str:
    """Turn an unknown task into wrong usage."""
    try:
        return get_task(name).name
    except BddsegError as error:
        raise typer.BadParameter(str(error)) from error


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout and nothing else.")
]
ModelName = Annotated[
    str, typer.Argument(help="A model of `bddseg zoo list`, or an entry's TOML file.")
]
ModelNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]...", help="Models of `bddseg zoo list`, or TOML files."),
]
TaskName = Annotated[
    str,
    typer.Option(
        "--task", "-t", callback=_check_task, metavar="TASK", help=f"One of {', '.join(TASKS)}."
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for the results.", show_default=False)
]
Workers = Annotated[int, typer.Option("--nproc", min=1, help="Files worked on at a time.")]

# An exit code: 128 + SIGINT, as shells have it.
INTERRUPTED = 130
# The cores that this process may use, which can be fewer than the machine has.
ALL_CORES = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)

"""Options that several commands share: the same name and letter for the same meaning."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.names import RegisteredNames, complete_model

if TYPE_CHECKING:
    from bddseg.tasks.task import Task

INPUT, MODEL, OUTPUT = "Input", "Model", "Output"
PERFORMANCE, MACHINES = "Performance", "Several machines"

TASK_NAMES = RegisteredNames("bddseg.tasks", "task")
ARCHITECTURE_NAMES = RegisteredNames("bddseg.architectures", "architecture")
RUNTIME_NAMES = RegisteredNames("bddseg.runtimes", "runtime")
FORMAT_NAMES = RegisteredNames("bddseg.writers", "format", separator=",")
METRIC_NAMES = RegisteredNames("bddseg.metrics", "metric", separator=",")

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model of `bddseg zoo list`, or an entry's TOML file.",
        autocompletion=complete_model,
    ),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL]...",
        help="Models of `bddseg zoo list`, or TOML files.",
        autocompletion=complete_model,
    ),
]
ArchitectureName = Annotated[
    str | None,
    typer.Option(
        "--arch",
        metavar="NAME",
        help="Only models of this architecture, such as pspnet.",
        show_default=False,
        autocompletion=ARCHITECTURE_NAMES.complete,
    ),
]
Formats = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAMES",
        help="mask, colormap, overlay, rle, probability, logits, video, or a plugin's; several "
        "are separated by commas.",
        callback=FORMAT_NAMES.check,
        autocompletion=FORMAT_NAMES.complete,
        rich_help_panel=OUTPUT,
    ),
]
Input = Annotated[
    str,
    typer.Option(
        "--input",
        "-i",
        help="Frames: an image, a folder, a glob pattern or a list file.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
GroundTruth = Annotated[
    Path,
    typer.Option(
        "--ground-truth",
        "-g",
        help="Ground truth: a folder of masks, or Scalabel JSON.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
Results = Annotated[
    Path,
    typer.Option(
        "--results",
        "-r",
        help="Predictions: a folder of masks, or Scalabel JSON.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task",
        "-t",
        metavar="TASK",
        help="Task of the masks; by default the one in run.json beside them, else drivable.",
        show_default=False,
        callback=TASK_NAMES.check,
        autocompletion=TASK_NAMES.complete,
        rich_help_panel=INPUT,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, help="Only the first N frames.", rich_help_panel=INPUT),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="Folder for the results.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace existing results.", rich_help_panel=OUTPUT),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document to stdout.", rich_help_panel=OUTPUT),
]
Runtime = Annotated[
    str,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="What executes the network.",
        callback=RUNTIME_NAMES.check,
        autocompletion=RUNTIME_NAMES.complete,
        rich_help_panel=PERFORMANCE,
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="Files processed at a time.",
        rich_help_panel=PERFORMANCE,
    ),
]


def choose_task(name: str | None, *results: Path) -> "Task":
    """Return the task of `--task` or, without it, of the run record beside the results.

    Raises:
        BddsegError: there is no such task, or a run record names another one than `--task`.
    """
    from bddseg.data.result_task import find_task

    return find_task(name, *results)

"""Options that several commands share: the same name and letter for the same meaning."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bddseg.cli.console import show_note
from bddseg.cli.names import RegisteredNames, complete_model
from bddseg.inference.threads import MAX_THREADS

if TYPE_CHECKING:
    from bddseg.tasks.task import Task

# Panels of help.
INPUT, MODEL, OUTPUT = "Input", "Model", "Output"
PERFORMANCE, MACHINES, GENERAL = "Performance", "Several machines", "General"

TASK_NAMES = RegisteredNames("bddseg.tasks", "task")
TASK_LIST_NAMES = RegisteredNames("bddseg.tasks", "task", separator=",")
ARCHITECTURE_NAMES = RegisteredNames("bddseg.architectures", "architecture")
RUNTIME_NAMES = RegisteredNames("bddseg.runtimes", "runtime")
FORMAT_NAMES = RegisteredNames("bddseg.writers", "format", separator=",")
METRIC_NAMES = RegisteredNames("bddseg.metrics", "metric", separator=",", further=("all",))


def option(names: str, text: str, panel: str | None = None, **settings: Any) -> Any:
    """Return an option, to annotate a parameter with.

    Args:
        names: Its names, such as "--limit -n".
        text: What help says about it.
        panel: The panel of help that it is in.
        settings: Further arguments of `typer.Option`.
    """
    return typer.Option(*names.split(), help=text, rich_help_panel=panel, **settings)


def number(names: str, text: str, panel: str | None = None, **settings: Any) -> Any:
    """Return an option whose value is a number, of 1 or more unless `min` is given."""
    defaults = {"metavar": "N", "min": 1, "callback": _refuse_nan}
    return option(names, text, panel, **(defaults | settings))


def _refuse_nan(value: float | None) -> float | None:
    """Refuse what compares as neither too small nor too large."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number of finite size.")
    return value


def registered(
    known: RegisteredNames, names: str, text: str, panel: str | None = None, **settings: Any
) -> Any:
    """Return an option whose value is a registered name, or names: checked and completed."""
    return option(
        names, text, panel, callback=known.check, autocompletion=known.complete, **settings
    )


def task_option(text: str, panel: str | None = None) -> Any:
    """Return the option --task."""
    return registered(TASK_NAMES, "--task -t", text, panel, metavar="TASK")


def out_file(text: str) -> Any:
    """Return the option --out of a command that writes one file."""
    return option("--out -o", text, OUTPUT, metavar="FILE")


def results_option(text: str) -> Any:
    """Return the option --results."""
    return option("--results -r", text, INPUT)


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
    option(
        "--arch",
        "Only models of this architecture, such as pspnet.",
        metavar="NAME",
        autocompletion=ARCHITECTURE_NAMES.complete,
    ),
]
Input = Annotated[
    str, option("--input -i", "Frames: an image, a folder, a glob pattern or a list file.", INPUT)
]
GroundTruth = Annotated[
    Path,
    option("--ground-truth -g", "Ground truth: a folder of masks, or Scalabel JSON.", INPUT),
]
ResultsToCompare = Annotated[
    list[Path],
    results_option(
        "Predictions: masks, Scalabel JSON, or a run's output folder; several are compared with "
        "the first."
    ),
]
AttributesFile = Annotated[
    Path | None,
    option(
        "--attributes",
        "The dataset's label file, which has the attributes of frames.",
        INPUT,
        metavar="JSON",
    ),
]
MetricNames = Annotated[
    list[str] | None,
    registered(
        METRIC_NAMES,
        "--metric",
        "Further ones, such as boundary (within 2 % of the diagonal of edges), or all; official, "
        "standard and binary are always computed.",
        "Scores",
        metavar="NAMES",
    ),
]
Results = Annotated[Path, results_option("Predictions: a folder of masks, or Scalabel JSON.")]
TaskName = Annotated[
    str | None,
    task_option("Task of the masks; by default the one in run.json, else drivable.", INPUT),
]
Limit = Annotated[int | None, number("--limit -n", "Only the first N frames.", INPUT)]
Out = Annotated[Path, option("--out -o", "Folder for the results.", OUTPUT)]
Overwrite = Annotated[bool, option("--overwrite", "Replace existing results.", OUTPUT)]
AsJson = Annotated[bool, option("--json", "Print one JSON document to stdout.", GENERAL)]
Threads = Annotated[int, number("--threads", "Files processed at a time.", GENERAL)]
NetworkThreads = Annotated[
    int | None,
    number(
        "--threads",
        "Threads for the network, of each worker; by default, its share of the cores.",
        PERFORMANCE,
        max=MAX_THREADS,
    ),
]

Weights = Annotated[
    Path | None,
    option("--weights", "Checkpoint of the model, .pth or .safetensors.", MODEL),
]
Device = Annotated[str, option("--device", "auto, cpu, cuda, cuda:N or mps.", PERFORMANCE)]
RuntimeName = Annotated[
    str | None,
    registered(
        RUNTIME_NAMES,
        "--runtime",
        "What executes the network: torch, openvino, onnx or tensorrt; auto is openvino on an "
        "Intel or AMD CPU where it is faster, with torch's labels. By default what the model says.",
        PERFORMANCE,
        metavar="NAME",
    ),
]
# Its type is `bddseg.specs.Precision`, which `bddseg --help` does not wait for.
PRECISION = option("--precision", "What the network computes in.", PERFORMANCE)
Compile = Annotated[
    bool,
    option(
        "--compile",
        "Compile the network first, which takes minutes: for long runs of few sizes of frames.",
        PERFORMANCE,
    ),
]


def choose_task(name: str | None, *results: Path) -> "Task":
    """Return the task of `--task` or, without it, of the run record beside the results.

    Raises:
        BddsegError: there is no such task, or a run record names another one than `--task`.
    """
    from bddseg.data.result_task import find_task

    return find_task(name, *results)


def choose_checked_task(name: str | None, *results: Path) -> "Task":
    """Return the task as `choose_task`; warn if masks without a run record do not look like it."""
    from bddseg.data.mask import get_masks_folder
    from bddseg.data.mask_checks import sample_masks
    from bddseg.io.walk import list_files

    task = choose_task(name, *results)
    for folder in map(get_masks_folder, results):
        masks = list_files(folder, lambda path: path.suffix == ".png") if folder.is_dir() else []
        sample = sample_masks(folder, masks, task)
        for problem in sample.describe_problems() if sample else ():
            show_note(problem)
    return task

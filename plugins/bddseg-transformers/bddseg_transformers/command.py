"""`bddseg transformers entry`: write an entry for a model's folder."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bddseg.cli.console import show
from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg.tasks.task import get_task

app = typer.Typer(
    help="Run segmentation models of Hugging Face transformers.", no_args_is_help=True
)

_WEIGHTS = "model.safetensors"
_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_SIZE_HW = [512, 1024]


@app.callback()
def _describe() -> None: ...


@app.command("entry")
def write_entry(
    folder: Annotated[Path, typer.Argument(help="A folder with a model in transformers' format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The TOML file to write.")],
    task: Annotated[str, typer.Option("--task", "-t", help="Task of the masks.")] = "drivable",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="CLASS=NAME,...",
            help="A class of the task, and the model's classes that are mapped to it.",
        ),
    ] = None,
) -> None:
    """Write an entry with which `bddseg infer` runs the model.

    Size and normalisation are read from the model's folder. Edit the entry as needed.
    """
    import tomli_w

    from bddseg_transformers.network import build_transformers

    classes = _parse(mapping or [])
    # Only to check that the model can be built.
    build_transformers(
        num_classes=get_task(task).num_classes, folder=str(folder), classes=classes or None
    )
    if not (folder / _WEIGHTS).is_file():
        raise BddsegError(
            f"{folder} contains no {_WEIGHTS}.",
            "Save the model in one file: model.save_pretrained(FOLDER, max_shard_size='100GB').",
        )
    location = _relate(folder, out.parent)
    options: dict[str, Any] = {"folder": location}
    if classes:
        options["classes"] = classes
    document = {
        "name": folder.resolve().name,
        "title": folder.resolve().name,
        "task": task,
        "architecture": "transformers",
        "options": options,
        "preprocessing": _read_preprocessing(folder),
        "weights": {"file": f"{location}/{_WEIGHTS}"},
    }
    write_atomically(out, tomli_w.dumps(document).encode())
    show(f"Wrote {out}. Next: bddseg infer {out} FRAMES -o out")


def _parse(mapping: list[str]) -> dict[str, list[str]]:
    classes = {}
    for each in mapping:
        name, separator, names = each.partition("=")
        if not separator:
            raise typer.BadParameter(f"--map {each}: expected CLASS=NAME,NAME.")
        classes[name] = [part.strip() for part in names.split(",") if part.strip()]
    return classes


def _relate(folder: Path, base: Path) -> str:
    """Return the folder's path, relative to the TOML file's folder if it is inside it."""
    path = folder.resolve()
    if path.is_relative_to(base.resolve()):
        return f"./{path.relative_to(base.resolve()).as_posix()}"
    return path.as_posix()


def _read_preprocessing(folder: Path) -> dict[str, Any]:
    path = folder / "preprocessor_config.json"
    try:
        content = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise BddsegError(f"{path} is not JSON: {error}.", "Download it again.") from error
    size = content.get("size")
    size_hw = _SIZE_HW
    if isinstance(size, int):
        size_hw = [size, size]
    elif isinstance(size, dict) and {"height", "width"} <= set(size):
        size_hw = [size["height"], size["width"]]
    # For pixels of 0 to 1; an entry's are 0 to 255.
    mean, std = content.get("image_mean", _IMAGENET_MEAN), content.get("image_std", _IMAGENET_STD)
    return {
        "size_hw": size_hw,
        "keep_ratio": False,
        "round_pixels": True,
        "mean": [round(255 * value, 4) for value in mean],
        "std": [round(255 * value, 4) for value in std],
    }

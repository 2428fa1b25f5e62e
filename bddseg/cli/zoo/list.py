"""`bddseg zoo list`: the models and their scores."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from bddseg.cli.console import show, show_json
from bddseg.cli.options import TASK_NAMES, ArchitectureName, AsJson
from bddseg.cli.table import make_table
from bddseg.cli.zoo.show import describe
from bddseg.errors import unknown_name
from bddseg.io.read import is_file
from bddseg.specs import Entry
from bddseg.zoo.availability import OUTAGE_NOTE, Availability, find_availability
from bddseg.zoo.cache import get_weights_path
from bddseg.zoo.catalog import list_models as list_entries

# Columns of text; the others hold numbers.
_TEXT = ("model", "weights", "task", "architecture")


class SortKey(StrEnum):
    """What `zoo list` can sort by."""

    NAME = "name"
    ARCH = "arch"
    BACKBONE = "backbone"
    ITERATIONS = "iterations"
    PARAMS = "params"
    SIZE = "size"
    VAL = "val"
    TEST = "test"


def list_models(
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            "-t",
            metavar="TASK",
            help="Only models of this task.",
            callback=TASK_NAMES.check,
            autocompletion=TASK_NAMES.complete,
        ),
    ] = None,
    arch: ArchitectureName = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Only models with weights on this machine.")
    ] = False,
    sort: Annotated[
        SortKey | None,
        typer.Option(
            metavar="KEY",
            help="Sort by name, arch, backbone, iterations, params, size, val or test; the best "
            "scores come first.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the models with their published scores; those that can be used now come first.

    Examples:
      bddseg zoo list --sort val
      bddseg zoo list --arch pspnet --json
    """
    entries = [
        entry
        for entry in _filter_architecture(list_entries(task), arch)
        if not cached or _get_size(entry)
    ]
    if sort is None:
        states = [*Availability]
        entries.sort(key=lambda entry: states.index(find_availability(entry)))
    else:
        entries.sort(key=lambda entry: _get_sort_key(entry, sort))
    if as_json:
        show_json([describe(entry) for entry in entries])
        return
    columns = _make_columns(entries)
    text = [number for number, heading in enumerate(columns) if heading in _TEXT]
    show(make_table([*columns], [*zip(*columns.values(), strict=True)], text=text))
    described = [entry for entry in entries if entry.description]
    if any(find_availability(entry) is Availability.HOST_DOWN for entry in entries):
        show(f"\n{OUTAGE_NOTE}")
    if described:
        show("\n" + "\n".join(f"{each.short_name}: {each.description}." for each in described))


def _filter_architecture(entries: Iterable[Entry], arch: str | None) -> list[Entry]:
    """Return the entries of an architecture, by its name or its title.

    Raises:
        BddsegError: no model of the zoo has that architecture.
    """
    if arch is None:
        return list(entries)
    known = {name for entry in list_entries() for name in (entry.architecture, entry.title.lower())}
    if arch.lower() not in known:
        names = {entry.architecture for entry in list_entries()}
        raise unknown_name("architecture", arch, names, "`bddseg zoo list` shows all models.")
    return [entry for entry in entries if arch.lower() in (entry.architecture, entry.title.lower())]


def _get_sort_key(entry: Entry, key: SortKey) -> tuple[str | float, str]:
    training, scores = entry.training, entry.scores
    keys: dict[SortKey, str | float] = {
        SortKey.NAME: entry.name,
        SortKey.ARCH: entry.title.lower(),
        SortKey.BACKBONE: training.backbone if training else "",
        SortKey.ITERATIONS: training.iterations if training else 0,
        SortKey.PARAMS: entry.parameters or 0,
        SortKey.SIZE: _get_size(entry),
        SortKey.VAL: -scores.miou_val if scores else 0.0,
        SortKey.TEST: -scores.miou_test if scores else 0.0,
    }
    return keys[key], entry.name


def _get_size(entry: Entry) -> int:
    """Return the size of the weights in bytes; 0 if they are not on this machine."""
    path = get_weights_path(entry)
    return path.stat().st_size if is_file(path) else 0


def _make_columns(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Return the cells of each column, without empty columns; the last ones are dropped first."""
    scores = [entry.scores for entry in entries]
    columns = {
        "mIoU val": [f"{each.miou_val:.2f}" if each else "" for each in scores],
        "mIoU test": [f"{each.miou_test:.2f}" if each else "" for each in scores],
        "weights": [str(find_availability(entry)) for entry in entries],
        "params (M)": [_format_millions(entry.parameters) for entry in entries],
        "cached (MB)": [_format_millions(_get_size(entry)) for entry in entries],
        "task": [entry.task for entry in entries],
        "architecture": [entry.title for entry in entries],
    }
    filled = {heading: cells for heading, cells in columns.items() if any(cells)}
    return {"model": [entry.short_name for entry in entries]} | filled


def _format_millions(number: int | None) -> str:
    return f"{number / 1e6:.{1 if number >= 1e6 else 2}f}" if number else ""

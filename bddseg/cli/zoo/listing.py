"""`bddseg zoo list`: what there is."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import format_size, show, show_json
from bddseg.cli.options import AsJson
from bddseg.cli.zoo.show import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from bddseg.zoo.entry import Entry


class Column(StrEnum):
    """What `zoo list` sorts by."""

    NAME = "name"
    ARCH = "arch"
    BACKBONE = "backbone"
    ITERATIONS = "iterations"
    VAL = "val"
    TEST = "test"


def list_models(
    task: Annotated[str | None, typer.Option(help="Only models of this task.")] = None,
    arch: Annotated[
        str | None, typer.Option(help="Only models of this architecture, such as pspnet.")
    ] = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Only models whose weights are on this machine.")
    ] = False,
    sort: Annotated[
        Column | None, typer.Option(help="Sort by this column; scores from best to worst.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the models with their published scores."""
    from bddseg.zoo.cache import get_weights_path
    from bddseg.zoo.catalog import list_entries

    entries = [
        entry
        for entry in list_entries()
        if (task is None or entry.task == task)
        and (arch is None or arch.lower() in (entry.architecture, entry.title.lower()))
        and (not cached or get_weights_path(entry).is_file())
    ]
    if sort is not None:
        entries.sort(key=lambda entry: _sort_key(entry, sort))
    if as_json:
        show_json([describe(entry) for entry in entries])
    else:
        show(_make_table(entries))


def _sort_key(entry: "Entry", column: Column) -> tuple[str | float, str]:
    training, scores = entry.training, entry.scores
    keys: dict[Column, str | float] = {
        Column.NAME: entry.name,
        Column.ARCH: entry.title.lower(),
        Column.BACKBONE: training.backbone if training else "",
        Column.ITERATIONS: training.iterations if training else 0,
        Column.VAL: -scores.miou_val if scores else 0.0,
        Column.TEST: -scores.miou_test if scores else 0.0,
    }
    return keys[column], entry.name


def _make_table(entries: "Sequence[Entry]") -> "Table":
    from rich.table import Table

    from bddseg.zoo.cache import get_weights_path

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", no_wrap=True)
    for heading in ("architecture", "backbone", "task"):
        table.add_column(heading)
    for heading in ("iterations", "input", "mIoU val", "mIoU test"):
        table.add_column(heading, justify="right")
    table.add_column("cached", justify="right")
    for entry in entries:
        training, scores = entry.training, entry.scores
        path = get_weights_path(entry)
        table.add_row(
            entry.short_name,
            entry.title,
            training.backbone if training else "",
            entry.task,
            f"{training.iterations:,}" if training else "",
            "{}x{}".format(*entry.preprocessing.size_hw),
            f"{scores.miou_val:.2f}" if scores else "",
            f"{scores.miou_test:.2f}" if scores else "",
            format_size(path.stat().st_size) if path.is_file() else "",
        )
    return table

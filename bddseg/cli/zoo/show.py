"""`bddseg zoo show`: everything about one model."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bddseg.cli.console import show, show_json
from bddseg.cli.options import AsJson, ModelName
from bddseg.io.read import is_file
from bddseg.io.urls import redact
from bddseg.specs import Entry
from bddseg.zoo.availability import find_availability
from bddseg.zoo.bibtex import format_bibtex
from bddseg.zoo.cache import get_weights_path
from bddseg.zoo.catalog import find_entry, format_entry

if TYPE_CHECKING:
    from rich.table import Table


def show_model(
    model: ModelName,
    as_json: AsJson = False,
    as_toml: Annotated[
        bool,
        typer.Option("--toml", help="Print the entry's TOML, to start your own entry from."),
    ] = False,
    as_bibtex: Annotated[
        bool,
        typer.Option("--bibtex", help="Print the publication for BibTeX; without its authors."),
    ] = False,
) -> None:
    """Show everything about one model.

    Examples:
      bddseg zoo show pspnet_r50-d8_512x1024_40k
      bddseg zoo show pspnet_r50-d8_512x1024_40k --toml > mine.toml
    """
    entry = find_entry(model)
    if as_json:
        show_json(describe(entry))
    elif as_toml:
        show(format_entry(entry))
    elif as_bibtex:
        show(format_bibtex(entry))
    else:
        show(_make_table(entry))


def describe(entry: Entry) -> dict[str, object]:
    """Return an entry as plain data, with the path and the size of its cached weights."""
    path = get_weights_path(entry)
    return {
        **_redact(msgspec.to_builtins(entry)),
        "short_name": entry.short_name,
        "availability": find_availability(entry),
        "cached": str(path) if is_file(path) else None,
        "cached_bytes": path.stat().st_size if is_file(path) else None,
    }


def _redact(content: Any) -> Any:
    """Return plain data without the secrets of its URLs."""
    if isinstance(content, dict):
        return {key: _redact(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_redact(value) for value in content]
    return redact(content) if isinstance(content, str) else content


def _make_table(entry: Entry) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in _flatten(describe(entry)):
        table.add_row(key, Text(value))
    table.add_row("run", Text(f"bddseg infer {entry.short_name} FRAMES -o OUT"))
    return table


def _flatten(content: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Return rows of nested tables, with keys such as "weights.urls", without empty values."""
    rows: list[tuple[str, str]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif value not in (None, "", [], ()):
            items = value if isinstance(value, list | tuple) else [value]
            rows.append((prefix + key, ", ".join(str(item) for item in items)))
    return rows

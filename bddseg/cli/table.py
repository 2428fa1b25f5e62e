"""Tables that fit the terminal: columns are dropped, and numbers are never cut."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from bddseg.cli.console import make_console

if TYPE_CHECKING:
    from rich.console import RenderableType

# Spaces between two columns.
_GAP = 2


def make_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text: Collection[int] = (0,),
    bold: frozenset[int] = frozenset(),
) -> "RenderableType":
    """Return a table as wide as stdout at most.

    Headings are wrapped first. If that is not enough, the last columns are dropped, and a line
    below the table names them.

    Args:
        headings: Headings of the columns.
        rows: Cells of each row.
        text: Columns of text, aligned left; the others hold numbers, aligned right.
        bold: Rows in bold.
    """
    from rich.console import Group
    from rich.table import Table

    columns = list(zip(headings, *rows, strict=True))
    widths = _fit([list(column) for column in columns], make_console(stderr=False).width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, width in enumerate(widths):
        table.add_column(
            headings[number],
            justify="left" if number in text else "right",
            width=width,
            overflow="fold",
        )
    for number, row in enumerate(rows):
        table.add_row(*row[: len(widths)], style="bold" if number in bold else None)
    dropped = headings[len(widths) :]
    return Group(table, f"Not shown: {', '.join(dropped)}. See --json.") if dropped else table


def _fit(columns: Sequence[Sequence[str]], available: int) -> list[int]:
    """Return the widths of the columns that fit; the heading is the first cell of each."""
    widths = [max(map(len, column)) for column in columns]
    if _add_up(widths) <= available:
        return widths
    widths = [max(map(len, [*heading.split(), *cells])) for heading, *cells in columns]
    while len(widths) > 1 and _add_up(widths) > available:
        widths.pop()
    return widths


def _add_up(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)

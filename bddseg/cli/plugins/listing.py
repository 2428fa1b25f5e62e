"""`bddseg plugins list`: what installed packages add."""

from dataclasses import asdict

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import AsJson


def list_plugins(as_json: AsJson = False) -> None:
    """Show each plugin: its package and version, what it adds, and whether that works."""
    from rich import box
    from rich.table import Table

    from bddseg.cli.commands import COMMANDS
    from bddseg.models.architectures import ARCHITECTURES
    from bddseg.plugins.inspection import list_additions
    from bddseg.zoo.catalog import CATALOGS

    additions = list_additions([ARCHITECTURES, CATALOGS, COMMANDS])
    if as_json:
        rows = [asdict(each) | {"state": _describe(each.problem)} for each in additions]
        show_json({"plugins": rows})
        return
    if not additions:
        show("No plugins are installed. `bddseg plugins new NAME` starts one.")
        return
    table = Table("Package", "Version", "Adds", "State", box=box.SIMPLE)
    for each in additions:
        models = f" ({', '.join(each.entries)})" if each.entries else ""
        table.add_row(
            each.package,
            each.version,
            f"{each.kind} {each.name}{models}",
            _describe(each.problem),
        )
    show(table)
    for each in additions:
        if each.problem:
            show_note(f"{each.package}: {each.kind} '{each.name}': {each.problem}.")


def _describe(problem: str) -> str:
    return "broken" if problem else "ok"

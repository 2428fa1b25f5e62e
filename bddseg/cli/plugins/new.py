"""`bddseg plugins new`: start a plugin."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.commands import BUILT_IN, COMMANDS
from bddseg.cli.console import show, show_json
from bddseg.cli.names import list_names
from bddseg.cli.options import OUTPUT, AsJson
from bddseg.errors import quote
from bddseg.plugins.scaffold import write_package


def create_plugin(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the architecture, the model and the command, such as fast_net."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Where the package's folder is made.", rich_help_panel=OUTPUT
        ),
    ] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a package with an architecture, a catalog entry, a command and tests, ready to run.

    Examples:
      bddseg plugins new fast_net
      bddseg plugins new fast_net -o plugins
    """
    architectures = list_names("bddseg.architectures")
    reserved = {*BUILT_IN, *COMMANDS.list_names(), *architectures}
    folder = write_package(name, out, reserved=reserved)
    install, test = quote(f"{folder}[test]"), quote(folder)
    commands = [f"pip install -e {install}", f"pytest {test}", "bddseg plugins list"]
    if as_json:
        show_json({"folder": str(folder), "next": commands})
    else:
        show(
            f"The plugin is in {folder}; its README describes the files. Next:\n"
            + "\n".join(f"  {command}" for command in commands)
        )

"""`bddseg plugins new`: start a plugin."""

from pathlib import Path
from typing import Annotated

import typer

from bddseg.cli.console import show


def new(
    name: Annotated[
        str, typer.Argument(help="Of the architecture, the model and the command: letters, digits.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder in which the package's is made.")
    ] = Path(),
) -> None:
    """Write a package with an architecture, a catalog entry, a command and tests, which all run."""
    from bddseg.cli.commands import COMMANDS, HIDDEN, OURS
    from bddseg.models.architectures import ARCHITECTURES
    from bddseg.plugins.scaffold import write_package

    taken = {*OURS, *HIDDEN, *COMMANDS.list_names(), *ARCHITECTURES.list_names()}
    folder = write_package(name, out, taken=taken)
    show(
        f"{folder} is a plugin, and its README says what is where. Next:\n"
        f"  pip install -e '{folder}[test]'\n"
        f"  pytest {folder}\n"
        f"  bddseg plugins list"
    )

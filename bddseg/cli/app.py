"""The command `bddseg`."""

import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from bddseg.cli.commands import COMMANDS, HIDDEN, OURS, add_command
from bddseg.cli.console import show_error, show_note, show_warning
from bddseg.cli.options import INTERRUPTED
from bddseg.errors import BddsegError


class _Commands(TyperGroup):
    """Ours and those of plugins.

    Errors of ours are shown as one message; everything else is a bug and keeps its traceback.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names: ours, and after them those of plugins."""
        return [*super().list_commands(ctx), *COMMANDS.list_names()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of ours; of a plugin's, only what help shows, so nothing is imported."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in COMMANDS.list_names():
            package = COMMANDS.get_package(cmd_name)
            command = TyperCommand(
                cmd_name, help=f"From package {package}.", rich_help_panel="Plugins"
            )
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is to run; a plugin's is imported."""
        name = args[0]
        if name not in self.commands and name in COMMANDS.list_names():
            plugin = typer.Typer(add_completion=False)
            command = COMMANDS.load(name)
            add_command(plugin, name, command)
            whole = typer.main.get_command(plugin)
            return name, getattr(whole, "commands", {}).get(name, whole), args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BddsegError as error:
            show_error(error)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            show_note("Interrupted. Files written so far are whole.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="bddseg",
    cls=_Commands,
    help="Drivable-area masks from driving frames, scored like the BDD100K model zoo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in (OURS | HIDDEN).items():
    add_command(app, _name, _command, hidden=_name in HIDDEN)


def _show_version(wanted: bool) -> None:
    if wanted:
        from bddseg import __version__

        print(f"bddseg {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _configure(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line."""
    warnings.showwarning = show_warning
    sys.exit(app())

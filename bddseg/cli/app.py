"""The command `bddseg`."""

import sys
import warnings
from typing import Annotated, Any

import typer

from bddseg.cli.commands import LazyCommands
from bddseg.cli.console import set_quiet, show_error, show_note, show_warning
from bddseg.errors import INTERRUPTED, BddsegError


class _Root(LazyCommands):
    """Runs a command; shows a BddsegError as a message, and anything else with its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        set_quiet(False)
        try:
            return super().invoke(ctx)
        except BddsegError as error:
            show_error(error)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            show_note("Interrupted. Files written so far are complete.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="bddseg",
    cls=_Root,
    help="Drivable-area masks from driving frames, scored like the BDD100K model zoo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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

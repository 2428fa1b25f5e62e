"""The command `bddseg`."""

import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from bddseg.cli.commands import LazyCommands
from bddseg.cli.console import escape, set_quiet, show_error, show_note, show_warning
from bddseg.cli.general import unwrap
from bddseg.errors import BddsegError, get_exit_code
from bddseg.inference.threads import limit_spinning

# The error for wrong usage, which typer prints itself; its module depends on typer's version.
_UsageError: Any = typer.BadParameter.__base__


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
        except _UsageError as error:
            error.message = escape(error.message)
            raise
        except KeyboardInterrupt as interrupt:
            show_note("Interrupted. Files written so far are complete.")
            # What the command adds, such as how to go on.
            for note in getattr(interrupt, "__notes__", ()):
                show_note(note)
            raise typer.Exit(get_exit_code(interrupt)) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help; Typer's own text about completion takes two lines."""
        for param in self.params:
            if isinstance(param, TyperOption) and param.name == "show_completion":
                param.help = "Print completion for the current shell."
        super().format_help(ctx, formatter)


_HELP = """Drivable-area masks from driving frames, scored like the BDD100K model zoo.

Examples:
  bddseg infer swiftnet_lite frames -o out
  bddseg eval -g labels/val -r out
"""

app = typer.Typer(
    name="bddseg",
    cls=_Root,
    help=unwrap(_HELP),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from bddseg import __version__

        print(f"bddseg {__version__}")  # noqa: T201
        raise typer.Exit


# Commands that show what is wrong with the configuration.
_WITHOUT_DEFAULTS = ("config", "doctor")


@app.callback()
def _configure(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    if context.invoked_subcommand not in _WITHOUT_DEFAULTS:
        # Imported here: `bddseg --help` does without.
        from bddseg.cli.config import get_defaults

        context.default_map = get_defaults()


def main() -> None:
    """Run the command line."""
    warnings.showwarning = show_warning
    # For all commands, those of plugins too; torch is imported later.
    limit_spinning()
    sys.exit(app())

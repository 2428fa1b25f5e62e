"""The command `bddseg`."""

import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bddseg.cli import demo, evaluate, infer, labels, submit, vis, zoo
from bddseg.cli.console import show_error, show_note, show_warning
from bddseg.cli.options import INTERRUPTED
from bddseg.errors import BddsegError


class _Commands(TyperGroup):
    """Shows errors of ours as one message; everything else is a bug and keeps its traceback."""

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
app.add_typer(zoo.app, name="zoo")
app.command("infer")(infer.infer)
app.command("worker", hidden=True)(infer.work)
app.command("eval")(evaluate.evaluate)
app.add_typer(vis.app, name="vis")
app.add_typer(labels.app, name="labels")
app.command("submit")(submit.submit)
app.command("demo")(demo.demo)


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
) -> None:
    warnings.showwarning = show_warning


def main() -> None:
    """Run the command line."""
    sys.exit(app())

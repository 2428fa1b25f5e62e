"""`bddseg labels`: check and convert label files."""

import typer

from bddseg.cli.labels import check, convert

app = typer.Typer(help="Check and convert label files.", no_args_is_help=True)
app.command("check")(check.check_labels)
app.command("convert")(convert.convert)

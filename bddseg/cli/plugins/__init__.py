"""`bddseg plugins`: what installed packages add, and starting one."""

import typer

from bddseg.cli.plugins import listing, new

app = typer.Typer(
    help="Plugins: what installed packages add, and starting a new one.", no_args_is_help=True
)
app.command("list")(listing.list_plugins)
app.command("new")(new.new)

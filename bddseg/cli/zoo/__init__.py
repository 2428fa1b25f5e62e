"""`bddseg zoo`: the models, and the files that they publish."""

import typer

from bddseg.cli.zoo import download, listing, path, remove, show, verify

app = typer.Typer(
    help="The models: what there is, what each is worth, and their weights.",
    no_args_is_help=True,
)
app.command("list")(listing.list_models)
app.command("show")(show.show_model)
app.command("download")(download.download_files)
app.command("verify")(verify.verify_files)
app.command("path")(path.show_path)
app.command("remove")(remove.remove)

"""`bddseg zoo remove`: free the space that cached files take."""

from typing import Annotated

import typer

from bddseg.cli.console import format_size, show, show_json
from bddseg.cli.options import AsJson, ModelNames


def remove(
    models: ModelNames = None,
    everything: Annotated[bool, typer.Option("--all", help="All cached files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove cached files: all that these models published, and what their downloads left."""
    from bddseg.zoo.cache import list_cached, list_parts
    from bddseg.zoo.cache import remove_files as remove_cached
    from bddseg.zoo.catalog import find_entry

    if bool(models) == everything:
        raise typer.BadParameter("Name models, or say --all.")
    entries = None if everything else [find_entry(model) for model in models or []]
    paths = [*list_cached(entries), *list_parts(entries)]
    size_bytes = sum(path.stat().st_size for path in paths)
    if paths and not yes:
        for path in paths:
            typer.echo(str(path), err=True)
        typer.confirm(
            f"Remove {len(paths)} files, {format_size(size_bytes)}?", abort=True, err=True
        )
    remove_cached(entries)
    if as_json:
        show_json({"removed": [str(path) for path in paths], "size_bytes": size_bytes})
    else:
        show(f"{len(paths)} files removed, {format_size(size_bytes)}.")

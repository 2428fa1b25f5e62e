"""`bddseg zoo remove`: delete cached files."""

from typing import Annotated

import typer

from bddseg.cli.console import format_size, print_plain, show, show_json
from bddseg.cli.options import AsJson, ModelNames
from bddseg.io.walk import is_below
from bddseg.progress import pluralize
from bddseg.zoo import cache
from bddseg.zoo.catalog import find_entry


def remove_files(
    models: ModelNames = None,
    everything: Annotated[bool, typer.Option("--all", help="All cached files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the cached files of models, and their unfinished downloads.

    Examples:
      bddseg zoo remove pspnet_r50-d8_512x1024_40k
      bddseg zoo remove --all --yes
    """
    if bool(models) == everything:
        raise typer.BadParameter("Give models, or use --all.")
    entries = None if everything else [find_entry(model) for model in models or []]
    folder = cache.get_cache_folder()
    # Where a link leads, nothing is deleted.
    cached = [path for path in cache.list_paths(entries) if is_below(path.parent, folder)]
    candidates = [each for path in cached for each in (path, cache.get_part_paths(path)[0])]
    paths = [path for path in candidates if path.is_file()]
    size_bytes = sum(path.stat().st_size for path in paths)
    files = f"{pluralize(len(paths), 'file')}, {format_size(size_bytes)}"
    if paths and not yes:
        for path in paths:
            print_plain(str(path))
        typer.confirm(f"Delete {files}?", abort=True, err=True)
    for path in cached:
        cache.remove_file(path)
    if as_json:
        show_json({"removed": [str(path) for path in paths], "size_bytes": size_bytes})
    else:
        show(f"Deleted {files}.")

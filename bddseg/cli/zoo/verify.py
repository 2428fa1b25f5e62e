"""`bddseg zoo verify`: check the cached files."""

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import AsJson, ModelNames
from bddseg.cli.progress import track
from bddseg.progress import pluralize
from bddseg.zoo.cache import FileState, get_cache_folder, list_paths, verify_file
from bddseg.zoo.catalog import find_entry


def verify_files(models: ModelNames = None, as_json: AsJson = False) -> None:
    """Check the cached files against their checksums; exit code 1 if one is damaged.

    Files without a checksum or a receipt are listed as unverified.

    Examples:
      bddseg zoo verify
      bddseg zoo verify pspnet_r50-d8_512x1024_40k --json
    """
    entries = [find_entry(model) for model in models] if models else None
    paths = [path for path in list_paths(entries) if path.is_file()]
    rows = [(path, *verify_file(path)) for path in track(paths, "Hashing")]
    if as_json:
        keys = ("path", "state", "reason")
        show_json([dict(zip(keys, map(str, row), strict=True)) for row in rows])
    elif rows:
        for path, state, reason in rows:
            show(f"{state.value:<10}  {path.relative_to(get_cache_folder())}: {reason}.")
    else:
        show(f"Nothing is cached in {get_cache_folder()}.")
    num_damaged = sum(state is FileState.BAD for _, state, _ in rows)
    if num_damaged:
        show_note(
            f"{num_damaged} of {pluralize(len(rows), 'file')} damaged. Download again: "
            "bddseg zoo download MODEL --force"
        )
        raise typer.Exit(1)

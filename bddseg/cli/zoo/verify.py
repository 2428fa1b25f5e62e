"""`bddseg zoo verify`: are the cached files still what was published?"""

import typer

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import AsJson, ModelNames
from bddseg.cli.progress import track


def verify_files(models: ModelNames = None, as_json: AsJson = False) -> None:
    """Hash the cached files, of these models or all, and say which are good; exit code 1 if not.

    Unverified are files for which no checksum was published, or of which nothing is known.
    """
    from rich.table import Table

    from bddseg.zoo.cache import State, get_cache_folder, list_cached, verify_file
    from bddseg.zoo.catalog import find_entry

    entries = [find_entry(model) for model in models] if models else None
    paths = list_cached(entries)
    found = [(path, *verify_file(path)) for path in track(paths, "Hashing")]
    if as_json:
        show_json(
            [{"path": str(path), "state": state.value, "why": why} for path, state, why in found]
        )
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("state", "file", "why"):
            table.add_column(heading, overflow="fold")
        for path, state, why in found:
            table.add_row(state.value, str(path.relative_to(get_cache_folder())), why)
        show(table if found else f"Nothing is cached in {get_cache_folder()}.")
    bad = [path for path, state, _ in found if state is State.BAD]
    if bad:
        show_note(f"{len(bad)} of {len(found)} files are damaged: fetch them again with --force.")
        raise typer.Exit(1)

"""`bddseg zoo download`: published files into the cache, checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bddseg.cli.console import format_size, show, show_error, show_json
from bddseg.cli.options import AsJson, ModelNames
from bddseg.cli.progress import track_bytes
from bddseg.errors import BddsegError
from bddseg.zoo.kinds import What

if TYPE_CHECKING:
    from bddseg.zoo.assets import Asset


def download_files(
    models: ModelNames = None,
    everything: Annotated[bool, typer.Option("--all", help="The files of all models.")] = False,
    what: Annotated[What, typer.Option(help="Which of the published files.")] = What.WEIGHTS,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A mirror, laid out like the zoo's host or flat; may be given several times. "
            "Those in BDDSEG_MIRRORS follow.",
        ),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option("--from", exists=True, help="A file, or a folder of files, on this machine."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch what is cached, too.")] = False,
    allow_unverified: Annotated[
        bool,
        typer.Option("--allow-unverified", help="Take files for which no checksum is published."),
    ] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds that a server may say nothing.")
    ] = 30.0,
    retries: Annotated[
        int, typer.Option(min=0, help="Failures in a row before a source is given up.")
    ] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Files fetched at a time.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Fetch published files into the cache; what broke off is continued by the same command."""
    from bddseg.zoo.download import fetch_assets, open_transfer
    from bddseg.zoo.sources import Places, read_mirrors

    assets = _list_assets(models or [], everything, what)
    if local is not None and local.is_file() and len(assets) > 1:
        raise typer.BadParameter(f"{local} is one file, and {len(assets)} are asked for.")
    places = Places(
        local=local,
        mirrors=[*(mirror or []), *read_mirrors()],
        allow_unverified=allow_unverified,
    )
    with track_bytes() as meter:
        transfer = open_transfer(meter, timeout_s=timeout_s, retries=retries)
        results = fetch_assets(assets, places, transfer, meter=meter, force=force, jobs=jobs)
    if as_json:
        show_json([_describe(asset, result) for asset, result in zip(assets, results, strict=True)])
    for result in results:
        if isinstance(result, BddsegError):
            show_error(result)
        elif not as_json:
            show(_summarize(result))
    if any(isinstance(result, BddsegError) for result in results):
        raise typer.Exit(1)


def _list_assets(models: Sequence[str], everything: bool, what: What) -> "list[Asset]":
    from bddseg.zoo.assets import list_assets
    from bddseg.zoo.catalog import find_entry, list_entries

    if bool(models) == everything:
        raise typer.BadParameter("Name models, or say --all.")
    entries = list_entries() if everything else [find_entry(model) for model in models]
    assets = [asset for entry in entries for asset in list_assets(entry, what)]
    if not assets:
        raise BddsegError(
            f"{', '.join(models)} publishes no {what.value}.", f"bddseg zoo show {models[0]}"
        )
    return assets


def _describe(asset: "Asset", result: Path | BddsegError) -> dict[str, object]:
    import msgspec

    from bddseg.zoo.cache import read_receipt

    whose = {"model": asset.model, "what": asset.what.value}
    if isinstance(result, BddsegError):
        return {**whose, "path": None, "error": str(result)}
    receipt = read_receipt(result)
    return {**whose, "path": str(result), **(msgspec.to_builtins(receipt) if receipt else {})}


def _summarize(path: Path) -> str:
    from bddseg.zoo.cache import read_receipt

    receipt = read_receipt(path)
    if receipt is None:
        state = "nothing is known of where it came from"
    elif receipt.checked_against:
        state = f"MD5 {receipt.md5} as published"
    else:
        state = f"unverified, MD5 {receipt.md5}"
    return f"{path} ({format_size(path.stat().st_size)}, {state})"

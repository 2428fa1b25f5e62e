"""`bddseg zoo download`: published files into the cache, checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bddseg.cli.console import format_size, show, show_error, show_json, show_next
from bddseg.cli.options import AsJson, ModelNames, Threads
from bddseg.cli.progress import show_progress_group
from bddseg.demo import IMAGES
from bddseg.errors import BddsegError, quote
from bddseg.zoo.addresses import DownloadOptions
from bddseg.zoo.assets import Asset, AssetKind, list_assets
from bddseg.zoo.cache import read_receipt
from bddseg.zoo.catalog import find_entry, list_models
from bddseg.zoo.download import Downloader


def download_files(
    models: ModelNames = None,
    everything: Annotated[bool, typer.Option("--all", help="The files of all models.")] = False,
    kind: Annotated[
        AssetKind,
        typer.Option(
            metavar="KIND", help="weights (default), scores, preds or visuals.", show_default=False
        ),
    ] = AssetKind.WEIGHTS,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Try it before BDDSEG_MIRRORS; repeatable.",
        ),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option(
            "--from", exists=True, metavar="PATH", help="A local file, or a folder of files."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Download cached files again.")] = False,
    allow_unverified: Annotated[
        bool,
        typer.Option("--allow-unverified", help="Accept files without a checksum."),
    ] = False,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout", min=0.1, metavar="N", help="Seconds without enough data until a retry."
        ),
    ] = 30.0,
    retries: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Retries in a row without new data."),
    ] = 5,
    threads: Threads = 4,
    as_json: AsJson = False,
) -> None:
    """Download published files and check them. Interrupted downloads are continued.

    Examples:
      bddseg zoo download twinlitenet
      bddseg zoo download --all --kind scores --allow-unverified
    """
    assets = _list_assets(models or [], everything, kind)
    if local is not None and local.is_file() and len(assets) > 1:
        raise typer.BadParameter(f"--from {local} is one file, but {len(assets)} are needed.")
    options = DownloadOptions(
        local=local,
        mirrors=mirror or (),
        allow_unverified=allow_unverified,
        force=force,
        timeout_s=timeout_s,
        retries=retries,
    )
    with show_progress_group() as progress:
        results = Downloader(options, progress).download_all(assets, threads)
    if as_json:
        show_json([_to_json(asset, result) for asset, result in zip(assets, results, strict=True)])
    for result in results:
        if isinstance(result, BddsegError):
            show_error(result)
        elif not as_json:
            show(_summarize(result))
    if any(isinstance(result, BddsegError) for result in results):
        raise typer.Exit(1)
    if kind is AssetKind.WEIGHTS and not as_json:
        model = models[0] if models else assets[0].entry.name
        show_next("bddseg", "infer", model, IMAGES, "-o", f"out-{assets[0].entry.short_name}")


def _list_assets(models: Sequence[str], everything: bool, kind: AssetKind) -> list[Asset]:
    if bool(models) == everything:
        raise typer.BadParameter("Give models, or use --all.")
    entries = list_models() if everything else [find_entry(model) for model in models]
    assets = [asset for entry in entries for asset in list_assets(entry, kind)]
    if not assets:
        raise BddsegError(
            f"No {kind.value} are published for {', '.join(models) or 'any model'}.",
            f"See what is published: bddseg zoo show {quote(models[0] if models else 'MODEL')}",
        )
    return assets


def _to_json(asset: Asset, result: Path | BddsegError) -> dict[str, object]:
    row: dict[str, object] = {"model": asset.entry.name, "kind": asset.kind.value}
    if isinstance(result, BddsegError):
        return {**row, "path": None, "error": str(result)}
    receipt = read_receipt(result)
    return {**row, "path": str(result), **(msgspec.to_builtins(receipt) if receipt else {})}


def _summarize(path: Path) -> str:
    receipt = read_receipt(path)
    state = receipt.describe_checksum() if receipt else "no receipt"
    return f"{path} ({format_size(path.stat().st_size)}, {state})"

"""The error for a file that no source provides: why not, and what to do instead."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bddseg.errors import BddsegError, quote
from bddseg.io.urls import redact
from bddseg.specs import Entry
from bddseg.zoo.addresses import DownloadOptions
from bddseg.zoo.assets import Asset, AssetKind
from bddseg.zoo.availability import ZOO_OUTAGE, Availability, find_availability
from bddseg.zoo.catalog import list_entries


class Failure(NamedTuple):
    """Why a source does not provide a file.

    Attributes:
        address: URL or path of the source.
        reason: Why not, in a few words.
        is_unchecked: Whether the file is there, and only a checksum is missing.
    """

    address: str | Path
    reason: str
    is_unchecked: bool


def make_error(asset: Asset, options: DownloadOptions, failures: Sequence[Failure]) -> BddsegError:
    """Return the error for a file that no source provides.

    Args:
        asset: The file.
        options: What the user asked for.
        failures: Why each source does not provide it, in the order in which they were tried.
    """
    unchecked = [each for each in failures if each.is_unchecked]
    for each in unchecked:
        if isinstance(each.address, Path):
            return _make_local_error(asset, each.address, each.reason)
    parts = [f"{asset.path.name} cannot be downloaded."]
    parts += [f"{redact(str(each.address))}: {each.reason}." for each in failures]
    command = f"bddseg zoo download {_get_model(asset)}"
    ways = [f"the file without a check ({command} --allow-unverified)"] if unchecked else []
    if asset.in_catalog:
        ways.append("a mirror (--mirror URL, or BDDSEG_MIRRORS)")
    if options.local:
        ways.append("another file or folder with --from")
    else:
        weights = "--weights FILE of bddseg infer, or " if asset.kind is AssetKind.WEIGHTS else ""
        ways.append(f"a local file ({weights}{command} --from PATH)")
    if find_availability(asset.entry) is Availability.HOST_DOWN:
        parts.append(ZOO_OUTAGE)
        ways.append(_suggest_models(asset.entry))
    return BddsegError(" ".join(parts), f"Use {'; or '.join(ways)}.")


def _make_local_error(asset: Asset, path: Path, reason: str) -> BddsegError:
    """Return the error for a file of the user that no checksum is known of."""
    model, file = _get_model(asset), quote(path)
    ways = [
        f"put the publisher's MD5 beside it, as {path.with_suffix('.md5').name}",
        f"copy it without a check: bddseg zoo download {model} --from {file} --allow-unverified",
    ]
    if asset.kind is AssetKind.WEIGHTS:
        ways.insert(0, f"use it where it is: bddseg infer {model} FRAMES --weights {file}")
    hint = "; or ".join(ways)
    return BddsegError(
        f"{path} was not copied to the cache: {reason}.", f"{hint[0].upper()}{hint[1:]}"
    )


def _get_model(asset: Asset) -> str:
    """Return the model as the user may have typed it."""
    return quote(asset.entry.short_name) if asset.in_catalog else "MODEL.toml"


def _suggest_models(entry: Entry) -> str:
    """Return other models of the same task, best those that need no download."""
    states = {Availability.CACHED: "are on this machine", Availability.ONLINE: "are online"}
    for state, where in states.items():
        names = [
            each.short_name
            for each in list_entries()
            if each.task == entry.task and find_availability(each) is state and _is_trained(each)
        ]
        if names:
            return f"another model, whose weights {where} ({', '.join(names[:3])})"
    return "another model (the packages bddseg-lite and bddseg-realtime have some)"


def _is_trained(entry: Entry) -> bool:
    """Return whether a model is of use on real frames: examples have neither URLs nor training."""
    return bool(entry.weights.urls) or entry.training is not None

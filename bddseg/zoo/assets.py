"""The published files of a model, and their paths in a cache or on a mirror."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from bddseg.specs import Entry
from bddseg.zoo.catalog import list_entries


class AssetKind(StrEnum):
    """The kind of a published file."""

    WEIGHTS = "weights"
    SCORES = "scores"
    PREDS = "preds"
    VISUALS = "visuals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One published file.

    Attributes:
        model: Name of the entry.
        kind: Kind of file.
        path: Path below the cache folder and below a mirror, such as "drivable/models/x.pth".
        urls: URLs in the entry, the preferred one first.
        md5: MD5 in the entry, 32 hex digits.
        sha256: SHA-256 in the entry, 64 hex digits.
        md5_url: URL of the published MD5.
        in_catalog: Whether the entry is from a catalog; mirrors do not have other files.
    """

    model: str
    kind: AssetKind
    path: PurePosixPath
    urls: Sequence[str]
    md5: str | None = None
    sha256: str | None = None
    md5_url: str | None = None
    in_catalog: bool = True


def list_assets(entry: Entry, kind: AssetKind = AssetKind.WEIGHTS) -> list[Asset]:
    """Return the published files of one kind; none if the entry has no URL for it."""
    if kind is AssetKind.WEIGHTS:
        return [get_weights_asset(entry)] if entry.weights.urls else []
    links = entry.links
    urls_by_folder = {
        AssetKind.SCORES: {"scores-val": links.scores_val, "scores-test": links.scores_test},
        AssetKind.PREDS: {"preds": links.preds},
        AssetKind.VISUALS: {"visuals": links.visuals},
    }
    return [
        Asset(
            model=entry.name,
            kind=kind,
            path=_make_path(entry, folder, PurePosixPath(urlsplit(url).path).suffix),
            urls=(url,),
            in_catalog=_is_in_catalog(entry),
        )
        for folder, url in urls_by_folder[kind].items()
        if url
    ]


def get_weights_asset(entry: Entry) -> Asset:
    """Return the published checkpoint of an entry."""
    weights = entry.weights
    is_safetensors = any(urlsplit(url).path.endswith(".safetensors") for url in weights.urls)
    return Asset(
        model=entry.name,
        kind=AssetKind.WEIGHTS,
        path=_make_path(entry, "models", ".safetensors" if is_safetensors else ".pth"),
        urls=weights.urls,
        md5=weights.md5,
        sha256=weights.sha256,
        md5_url=weights.md5_url,
        in_catalog=_is_in_catalog(entry),
    )


def _make_path(entry: Entry, folder: str, suffix: str) -> PurePosixPath:
    """Return the path that the file has on the zoo's host: TASK/FOLDER/NAME.SUFFIX.

    The path of a user's own entry contains a digest of its URLs and checksums: such an entry often
    starts as a copy of a published one, with the same name, and the two files must not be mixed up.
    """
    if _is_in_catalog(entry):
        return PurePosixPath(entry.task, folder, entry.name + suffix)
    weights = entry.weights
    identity = "\n".join([*weights.urls, weights.md5 or "", weights.sha256 or ""])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    return PurePosixPath("own", folder, f"{entry.name}-{digest}{suffix}")


def _is_in_catalog(entry: Entry) -> bool:
    return entry in list_entries()

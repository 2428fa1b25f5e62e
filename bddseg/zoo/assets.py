"""The published files of a model: which there are, and where they lie in a cache or a mirror."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from bddseg.zoo.catalog import list_entries
from bddseg.zoo.entry import Entry
from bddseg.zoo.kinds import What


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One published file.

    Attributes:
        model: name of the entry.
        what: its kind.
        path: its place below the cache folder and below a mirror, such as "drivable/models/x.pth".
        urls: the addresses that the entry names, the best one first.
        md5: known from the entry, as 32 hex digits.
        sha256: likewise, 64 hex digits.
        md5_url: where its MD5 is published.
        in_catalog: whether a catalog has it. Mirrors know nothing of a user's own model.
    """

    model: str
    what: What
    path: PurePosixPath
    urls: Sequence[str]
    md5: str | None = None
    sha256: str | None = None
    md5_url: str | None = None
    in_catalog: bool = True


def list_assets(entry: Entry, what: What = What.WEIGHTS) -> list[Asset]:
    """Return the published files of that kind; none if the entry names no address of one."""
    if what is What.WEIGHTS:
        return [get_weights_asset(entry)] if entry.weights.urls else []
    links = entry.links
    places = {
        What.SCORES: {"scores-val": links.scores_val, "scores-test": links.scores_test},
        What.PREDS: {"preds": links.preds},
        What.VISUALS: {"visuals": links.visuals},
    }
    return [
        Asset(
            model=entry.name,
            what=what,
            path=_place(entry, folder, PurePosixPath(urlsplit(url).path).suffix),
            urls=(url,),
            in_catalog=_is_in_catalog(entry),
        )
        for folder, url in places[what].items()
        if url
    ]


def get_weights_asset(entry: Entry) -> Asset:
    """Return the entry's checkpoint as published."""
    weights = entry.weights
    safe = any(urlsplit(url).path.endswith(".safetensors") for url in weights.urls)
    return Asset(
        model=entry.name,
        what=What.WEIGHTS,
        path=_place(entry, "models", ".safetensors" if safe else ".pth"),
        urls=weights.urls,
        md5=weights.md5,
        sha256=weights.sha256,
        md5_url=weights.md5_url,
        in_catalog=_is_in_catalog(entry),
    )


def _place(entry: Entry, folder: str, suffix: str) -> PurePosixPath:
    """Return the path that the zoo's own host gave such a file: TASK/FOLDER/NAME.SUFFIX.

    A user's own model often starts as a copy of a published one, name and all. The addresses it
    names are part of its path, so that one never passes for the other.
    """
    if _is_in_catalog(entry):
        return PurePosixPath(entry.task, folder, entry.name + suffix)
    weights = entry.weights
    identity = "\n".join([*weights.urls, weights.md5 or "", weights.sha256 or ""])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    return PurePosixPath("own", folder, f"{entry.name}-{digest}{suffix}")


def _is_in_catalog(entry: Entry) -> bool:
    return entry in list_entries()

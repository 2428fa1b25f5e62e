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


_LARGEST_BYTES = {
    AssetKind.WEIGHTS: 8 << 30,
    AssetKind.SCORES: 64 << 20,
    AssetKind.PREDS: 8 << 30,
    AssetKind.VISUALS: 64 << 30,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One published file.

    Attributes:
        entry: The model's entry.
        kind: Kind of file.
        path: Path below the cache folder and below a mirror, such as "drivable/models/x.pth".
        urls: URLs in the entry, the preferred one first.
        in_catalog: Whether the entry is from a catalog; mirrors do not have other files.
    """

    entry: Entry
    kind: AssetKind
    path: PurePosixPath
    urls: Sequence[str]
    in_catalog: bool

    @property
    def digest(self) -> str | None:
        """The checksum in the entry, in hex digits."""
        return self.entry.weights.digest if self.kind is AssetKind.WEIGHTS else None

    @property
    def largest_bytes(self) -> int:
        """Size that no file of its kind exceeds: a server that sends more is not trusted."""
        parameters = self.entry.parameters
        if self.kind is AssetKind.WEIGHTS and parameters:
            # A checkpoint of training: float32, two moments, and averaged weights.
            return 16 * parameters + (64 << 20)
        return _LARGEST_BYTES[self.kind]

    @property
    def md5_url(self) -> str | None:
        """URL of the published MD5 in the entry."""
        return self.entry.weights.md5_url if self.kind is AssetKind.WEIGHTS else None


def list_assets(entry: Entry, kind: AssetKind) -> list[Asset]:
    """Return the published files of one kind; none if the entry has no URL for it."""
    links = entry.links
    urls_by_folder = {
        AssetKind.WEIGHTS: {"models": entry.weights.urls},
        AssetKind.SCORES: {"scores-val": [links.scores_val], "scores-test": [links.scores_test]},
        AssetKind.PREDS: {"preds": [links.preds]},
        AssetKind.VISUALS: {"visuals": [links.visuals]},
    }[kind]
    return [
        _make_asset(entry, kind, folder, urls)
        for folder, urls in urls_by_folder.items()
        if any(urls)
    ]


def get_weights_asset(entry: Entry) -> Asset:
    """Return the published checkpoint of an entry."""
    return _make_asset(entry, AssetKind.WEIGHTS, "models", entry.weights.urls)


def _make_asset(entry: Entry, kind: AssetKind, folder: str, urls: Sequence[str]) -> Asset:
    suffixes = [PurePosixPath(urlsplit(url).path).suffix for url in urls]
    if kind is AssetKind.WEIGHTS:
        kinds = (each for each in (".safetensors", ".onnx") if each in suffixes)
        suffixes = [next(kinds, ".pth")]
    in_catalog = entry in list_entries()
    # The path on the zoo's host. That of a user's own entry contains a digest: such an entry often
    # starts as a copy of a published one, with its name, and the two files must not be mixed up.
    path = PurePosixPath(entry.task, folder, entry.name + suffixes[0])
    if not in_catalog:
        weights = entry.weights
        identity = "\n".join([*weights.urls, weights.digest or ""])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
        path = PurePosixPath("own", folder, f"{entry.name}-{digest}{suffixes[0]}")
    return Asset(entry=entry, kind=kind, path=path, urls=urls, in_catalog=in_catalog)

"""Where a published file may be had: a disk, mirrors, the addresses of its entry."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from bddseg.zoo.assets import Asset


class SourceError(Exception):
    """A source did not give the file; the text says why, in a few words."""


class NotPublishedError(SourceError):
    """A source can be reached and has no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look before the addresses that entries name, in this order.

    Attributes:
        local: a file, or a folder laid out like the cache or flat.
        mirrors: base addresses, of hosts laid out like the zoo's own or flat.
        allow_unverified: whether a file is taken for which no checksum can be had.
    """

    local: Path | None = None
    mirrors: Sequence[str] = ()
    allow_unverified: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One place of a file.

    Attributes:
        address: the file's URL, or its path on this machine.
        md5_addresses: where its MD5 may be published, the likeliest first.
    """

    address: str | Path
    md5_addresses: tuple[str | Path, ...]


def read_mirrors() -> list[str]:
    """Return the mirrors that the environment names: $BDDSEG_MIRRORS, separated by spaces."""
    return os.environ.get("BDDSEG_MIRRORS", "").split()


def is_offline() -> bool:
    """Return whether the environment forbids the network: $BDDSEG_OFFLINE."""
    return os.environ.get("BDDSEG_OFFLINE", "0") not in ("", "0")


def list_sources(asset: Asset, places: Places) -> list[Source]:
    """Return all sources of a file, in the order in which they are to be tried."""
    published = (asset.md5_url,) if asset.md5_url else ()
    local = _list_local(asset, places.local) if places.local else []
    mirrored = _list_mirrored(asset, places.mirrors) if asset.in_catalog else ()
    return [
        *(Source(path, (*_list_beside(path), *published)) for path in local),
        *(Source(url, (*_list_beside_url(url), *published)) for url in mirrored),
        *(Source(url, published or _list_beside_url(url)) for url in asset.urls),
    ]


def _list_local(asset: Asset, local: Path) -> list[Path]:
    """Return the file in a folder: laid out like the cache, flat, or under its published name."""
    if not local.is_dir():
        return [local]
    names = [PurePosixPath(unquote(urlsplit(url).path)).name for url in asset.urls]
    paths = [local / asset.path, local / asset.path.name, *(local / name for name in names)]
    return [path for path in paths if path.is_file()][:1] or [local / asset.path.name]


def _list_mirrored(asset: Asset, mirrors: Sequence[str]) -> Iterator[str]:
    for mirror in mirrors:
        for place in (asset.path.as_posix(), asset.path.name):
            yield f"{mirror.rstrip('/')}/{quote(place)}"


def _list_beside(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".md5"), path.with_name(path.name + ".md5")


def _list_beside_url(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    stem = parts.path.removesuffix(PurePosixPath(parts.path).suffix)
    first, second = (parts._replace(path=f"{path}.md5") for path in (stem, parts.path))
    return first.geturl(), second.geturl()

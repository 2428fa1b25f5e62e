"""Where a published file can be downloaded from: this machine, mirrors, the URLs of its entry."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from bddseg.zoo.assets import Asset


class DownloadError(Exception):
    """A source does not provide the file; the text says why, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """Sources that are tried before the URLs of an entry, in this order, and what is accepted.

    Attributes:
        local: A file, or a folder with the layout of the cache or flat.
        mirrors: Base URLs of hosts with the layout of the zoo's host, or flat.
        allow_unverified: Whether files without a published checksum are accepted.
    """

    local: Path | None = None
    mirrors: Sequence[str] = ()
    allow_unverified: bool = False


@dataclass(frozen=True, slots=True)
class DownloadSource:
    """One source of a file.

    Attributes:
        address: URL of the file, or its path on this machine.
        md5_addresses: Where its MD5 may be published, the most likely address first.
    """

    address: str | Path
    md5_addresses: tuple[str | Path, ...]


def read_mirrors() -> list[str]:
    """Return the mirrors in the environment: $BDDSEG_MIRRORS, separated by spaces."""
    return os.environ.get("BDDSEG_MIRRORS", "").split()


def is_offline() -> bool:
    """Return whether the environment forbids the network: $BDDSEG_OFFLINE."""
    return os.environ.get("BDDSEG_OFFLINE", "0") not in ("", "0")


def list_sources(asset: Asset, options: DownloadOptions) -> list[DownloadSource]:
    """Return all sources of a file, in the order in which they are tried."""
    published = (asset.md5_url,) if asset.md5_url else ()
    local = _list_local(asset, options.local) if options.local else []
    mirrored = _list_mirrored(asset, options.mirrors) if asset.in_catalog else ()
    return [
        *(DownloadSource(path, (*_list_md5_paths(path), *published)) for path in local),
        *(DownloadSource(url, (*_list_md5_urls(url), *published)) for url in mirrored),
        *(DownloadSource(url, published or _list_md5_urls(url)) for url in asset.urls),
    ]


def _list_local(asset: Asset, local: Path) -> list[Path]:
    """Return the file in a folder: in the cache's layout, flat, or with its published name."""
    if not local.is_dir():
        return [local]
    names = [PurePosixPath(unquote(urlsplit(url).path)).name for url in asset.urls]
    paths = [local / asset.path, local / asset.path.name, *(local / name for name in names)]
    return [path for path in paths if path.is_file()][:1] or [local / asset.path.name]


def _list_mirrored(asset: Asset, mirrors: Sequence[str]) -> Iterator[str]:
    for mirror in mirrors:
        for path in (asset.path.as_posix(), asset.path.name):
            yield f"{mirror.rstrip('/')}/{quote(path)}"


def _list_md5_paths(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".md5"), path.with_name(path.name + ".md5")


def _list_md5_urls(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    stem = parts.path.removesuffix(PurePosixPath(parts.path).suffix)
    first, second = (parts._replace(path=f"{path}.md5") for path in (stem, parts.path))
    return first.geturl(), second.geturl()

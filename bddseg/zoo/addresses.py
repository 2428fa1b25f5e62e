"""Where a published file can be downloaded from: this machine, mirrors, the URLs of its entry."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from bddseg.config import read_config
from bddseg.errors import BddsegError
from bddseg.io.read import is_file
from bddseg.io.urls import find_problem, redact
from bddseg.io.walk import list_files
from bddseg.zoo.assets import Asset
from bddseg.zoo.checksums import hash_file


class DownloadError(Exception):
    """A source does not provide the file; the text says why, in a few words."""


class NoChecksumError(DownloadError):
    """A source provides the file, and there is no checksum to check it against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """Sources that are tried before the URLs of an entry, in this order, and what is accepted.

    Attributes:
        local: A file, or a folder with the layout of the cache or flat.
        mirrors: Base URLs of hosts with the layout of the zoo's host, or flat; those in
            $BDDSEG_MIRRORS, separated by spaces, and in `bddseg.config` follow.
        allow_unverified: Whether files without a checksum are accepted.
        force: Download files again that are cached.
        timeout_s: Seconds in which a connection has to bring a further 64 KiB, or counts as broken.
        retries: Number of failures in a row without new data that are retried.
    """

    local: Path | None = None
    mirrors: Sequence[str] = ()
    allow_unverified: bool = False
    force: bool = False
    timeout_s: float = 30.0
    retries: int = 5


def list_addresses(asset: Asset, options: DownloadOptions) -> list[str | Path]:
    """Return the URLs and paths of a file, in the order in which they are tried."""
    local = [_find_local(asset, options.local)] if options.local else []
    mirrored = _list_mirrored(asset, options.mirrors) if asset.in_catalog else ()
    return [*local, *mirrored, *asset.urls]


def list_md5_addresses(asset: Asset, address: str | Path) -> list[str | Path]:
    """Return where the MD5 of the file at an address may be found, likely ones first."""
    published = [asset.md5_url] if asset.md5_url else []
    if address in asset.urls and published:
        return [*published]
    if isinstance(address, Path):
        beside = [address.with_suffix(".md5"), address.with_name(address.name + ".md5")]
        return [*beside, *published]
    parts = urlsplit(address)
    stem = parts.path.removesuffix(PurePosixPath(parts.path).suffix)
    paths = (f"{stem}.md5", f"{parts.path}.md5")
    return [*(parts._replace(path=path).geturl() for path in paths), *published]


def get_file_name(url: str) -> str:
    """Return the name of the file at a URL."""
    return PurePosixPath(unquote(urlsplit(url).path)).name


def _find_local(asset: Asset, local: Path) -> Path:
    """Return the file in a folder: in the cache's layout, flat, by published name or checksum."""
    if not local.is_dir():
        return local
    names = [asset.path.name, *map(get_file_name, asset.urls)]
    paths = [local / asset.path, *(local / name for name in names)]
    for path in paths:
        if is_file(path):
            return path
    candidates = list_files(local, is_file) if asset.digest else []
    found = (path for path in candidates if asset.digest in _hash(path))
    return next(found, local / asset.path.name)


def _hash(path: Path) -> tuple[str, ...]:
    try:
        return hash_file(path)
    except OSError:
        return ()


def _list_mirrored(asset: Asset, mirrors: Sequence[str]) -> Iterator[str]:
    configured = read_config().config.mirrors or ()
    for mirror in (*mirrors, *os.environ.get("BDDSEG_MIRRORS", "").split(), *configured):
        problem = find_problem(mirror)
        if problem:
            raise BddsegError(
                f"The mirror {redact(mirror)} is not a URL: {problem}.",
                "Correct --mirror, BDDSEG_MIRRORS, or mirrors in a file of `bddseg config`.",
            )
        for path in (asset.path.as_posix(), asset.path.name):
            yield f"{mirror.rstrip('/')}/{quote(path)}"

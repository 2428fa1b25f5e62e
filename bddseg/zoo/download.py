"""Getting a published file, from the cache, a folder, a mirror or its own host, and checking it."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_error
from bddseg.progress import ProgressGroup, SilentProgress
from bddseg.specs import Entry
from bddseg.zoo.assets import Asset, get_weights_asset
from bddseg.zoo.cache import (
    Receipt,
    check_space,
    get_cached_path,
    get_part_paths,
    get_weights_path,
    read_receipt,
    store_file,
)
from bddseg.zoo.catalog import list_entries
from bddseg.zoo.checksums import Checksum, Digests, hash_file, parse_md5
from bddseg.zoo.mirrors import (
    DownloadError,
    DownloadOptions,
    DownloadSource,
    is_offline,
    list_sources,
    read_mirrors,
)

if TYPE_CHECKING:
    from bddseg.zoo.http import HttpClient

_ZOO_HOST = "dl.cv.ethz.ch"
_ZOO_OUTAGE = (
    f"{_ZOO_HOST}, the only host of the zoo's files, has been reported down since March 2026 "
    "(github.com/SysCV/bdd100k-models/issues/28)."
)

_log = logging.getLogger(__name__)


def get_weights(entry: Entry, progress: ProgressGroup | None = None) -> Path:
    """Return the file of an entry's weights; it is downloaded if it is not on this machine.

    Raises:
        BddsegError: it cannot be downloaded, or is damaged.
    """
    path = get_weights_path(entry)
    if entry.weights.file is not None:
        return _check_local_file(entry, path)
    if path.is_file():
        _log.info("Using %s", path)
        return _check_size(entry, path)
    if not entry.weights.urls:
        raise BddsegError(
            f"The entry of {entry.name} has no weights.",
            "Use --weights FILE, or add weights.file or weights.urls to its TOML.",
        )
    return download_asset(get_weights_asset(entry), progress=progress)


def download_asset(
    asset: Asset,
    options: DownloadOptions | None = None,
    *,
    client: "HttpClient | None" = None,
    progress: ProgressGroup | None = None,
    force: bool = False,
) -> Path:
    """Return a file in the cache; it is downloaded first if it is not there, by one process only.

    Sources are tried in order. A download gets its final name only if its checksum is the published
    one.

    Args:
        asset: The file.
        options: Sources to try first; the default is the mirrors in $BDDSEG_MIRRORS.
        client: Client of `make_client`, which several threads may share.
        progress: Shows the download.
        force: Download it even if it is cached.

    Raises:
        BddsegError: no source provides it (the message gives the reason for each), or the cache
            cannot be written.
    """
    path = get_cached_path(asset)
    if path.is_file() and not force:
        return path
    progress = progress or SilentProgress()
    options = options or DownloadOptions(mirrors=read_mirrors())
    download = _Download(asset, options, client or make_client(progress), progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path, progress):
            if force or not path.is_file():
                download.run(path)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def download_assets(
    assets: Sequence[Asset],
    options: DownloadOptions,
    client: "HttpClient | None",
    *,
    progress: ProgressGroup,
    force: bool = False,
    num_threads: int = 4,
) -> list[Path | BddsegError]:
    """Return the file of each asset, or why it cannot be downloaded; several at a time."""

    def download(asset: Asset) -> Path | BddsegError:
        try:
            return download_asset(asset, options, client=client, progress=progress, force=force)
        except BddsegError as error:
            return error

    pool = ThreadPoolExecutor(num_threads)
    try:
        return list(pool.map(download, assets))
    finally:
        # After Ctrl-C the threads are still downloading, and the shutdown waits for them.
        if client:
            client.stop()
        pool.shutdown(cancel_futures=True)


def make_client(
    progress: ProgressGroup, *, timeout_s: float = 30.0, retries: int = 5
) -> "HttpClient | None":
    """Return an HTTP client, or None where the environment forbids the network."""
    if is_offline():
        return None
    # Imported here: the network libraries open a socket on import, even if the file is cached.
    from bddseg.zoo.http import HttpClient

    return HttpClient(progress, timeout_s=timeout_s, retries=retries)


class _Download:
    """The download of one file: its sources are tried one after the other."""

    def __init__(
        self,
        asset: Asset,
        options: DownloadOptions,
        client: "HttpClient | None",
        progress: ProgressGroup,
    ) -> None:
        self._asset = asset
        self._options = options
        self._client_or_none = client
        self._progress = progress

    @property
    def _client(self) -> "HttpClient":
        if self._client_or_none is None:
            raise DownloadError("BDDSEG_OFFLINE forbids the network")
        return self._client_or_none

    def run(self, path: Path) -> None:
        """Store the file at `path`, or raise BddsegError."""
        reasons: list[str] = []
        for source in list_sources(self._asset, self._options):
            try:
                self._download_from(source, path)
                return
            except DownloadError as error:
                _log.info("%s: %s", source.address, error)
                reasons.append(f"{source.address}: {error}.")
        raise _make_error(self._asset, reasons)

    def _download_from(self, source: DownloadSource, path: Path) -> None:
        """Download the file from one source, check it, and store it with its receipt."""
        checksum = self._find_checksum(source)
        if checksum is None and not self._options.allow_unverified:
            self._check_exists(source)
            raise DownloadError(
                "no checksum is published for it, and --allow-unverified is not set"
            )
        part, _ = get_part_paths(path)
        resumed = part.exists()
        found = hash_file(self._receive(source, path))
        if checksum and checksum.find_mismatch(found) and resumed:
            # The part of an earlier download may be the reason: start again without it.
            part.unlink()
            found = hash_file(self._receive(source, path))
        mismatch = checksum.find_mismatch(found) if checksum else ""
        if mismatch:
            part.unlink()
            raise DownloadError(f"{mismatch}; the download was deleted")
        store_file(path, part, self._make_receipt(source, part, found, checksum))

    def _make_receipt(
        self, source: DownloadSource, part: Path, found: Digests, checksum: Checksum | None
    ) -> Receipt:
        return Receipt(
            model=self._asset.model,
            kind=self._asset.kind,
            source=str(source.address),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            size_bytes=part.stat().st_size,
            md5=found.md5,
            sha256=found.sha256,
            checked_against=checksum.origin if checksum else "",
        )

    def _receive(self, source: DownloadSource, path: Path) -> Path:
        """Return the temporary file with the content that the source provides."""
        if isinstance(source.address, str):
            return self._client.download(source.address, path)
        part, info_path = get_part_paths(path)
        info_path.unlink(missing_ok=True)
        try:
            size = source.address.stat().st_size
            check_space(part.parent, size)
            shutil.copyfile(source.address, part)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise DownloadError(error.strerror or str(error)) from error
        self._progress.start(path.name, unit="byte").update(done=size, total=size)
        return part

    def _find_checksum(self, source: DownloadSource) -> Checksum | None:
        digest = self._asset.sha256 or self._asset.md5
        if digest:
            return Checksum(digest, f"the entry of {self._asset.model}")
        name = str(source.address).rpartition("/")[2]
        for address in source.md5_addresses:
            digest = parse_md5(self._read_text(address), name)
            if digest:
                return Checksum(digest, str(address))
        return None

    def _read_text(self, address: str | Path) -> str:
        try:
            if isinstance(address, Path):
                return address.read_text(encoding="utf-8", errors="replace")
            return self._client.read_text(address)
        except (OSError, DownloadError):
            return ""

    def _check_exists(self, source: DownloadSource) -> None:
        """Raise DownloadError if the file itself is missing: that is the better message."""
        if isinstance(source.address, str):
            self._client.check_exists(source.address)
        elif not source.address.is_file():
            raise DownloadError("there is no such file")


@contextmanager
def _lock(path: Path, progress: ProgressGroup) -> Iterator[None]:
    """Lock a file against other processes; the system unlocks it when a process dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.note(f"Another process is downloading {path.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_local_file(entry: Entry, path: Path) -> Path:
    """Check that the file named in a TOML exists, and its checksum if the TOML has one."""
    if not path.is_file():
        raise BddsegError(
            f"The weights file {path} in the entry of {entry.name} does not exist.",
            "Correct weights.file in its TOML, or use --weights FILE.",
        )
    digest = entry.weights.sha256 or entry.weights.md5
    if digest:
        mismatch = Checksum(digest, f"the entry of {entry.name}").find_mismatch(hash_file(path))
        if mismatch:
            raise BddsegError(
                f"{path} is not the expected file: {mismatch}.",
                "Replace the file, or correct the checksum in the TOML.",
            )
    return path


def _check_size(entry: Entry, path: Path) -> Path:
    """Check the size of a cached file: a truncated file is the most frequent damage."""
    receipt = read_receipt(path)
    size = path.stat().st_size
    if receipt and receipt.size_bytes != size:
        raise BddsegError(
            f"{path} has {size:,} bytes, and had {receipt.size_bytes:,} when it was downloaded.",
            f"Download it again: bddseg zoo download {entry.short_name} --force",
        )
    return path


def _make_error(asset: Asset, reasons: list[str]) -> BddsegError:
    parts = [f"{asset.path.name} cannot be downloaded.", *reasons]
    hints = ["a mirror (--mirror URL, or BDDSEG_MIRRORS)"] if asset.in_catalog else []
    model = asset.model if asset.in_catalog else "MODEL.toml"
    hints.append(f"a local file (bddseg zoo download {model} --from PATH)")
    if any(urlsplit(url).hostname == _ZOO_HOST for url in asset.urls):
        parts.append(_ZOO_OUTAGE)
        hints.append(f"another model with available weights ({_list_available()})")
    return BddsegError(" ".join(parts), f"Use {'; or '.join(hints)}.")


def _list_available() -> str:
    """Return up to three models whose weights are cached or on another host than the zoo's."""
    names = [entry.short_name for entry in list_entries() if _is_available(entry)]
    return ", ".join(names[:3]) or "package bddseg-twinlitenet has one"


def _is_available(entry: Entry) -> bool:
    hosts = {urlsplit(url).hostname for url in entry.weights.urls}
    return bool(hosts - {_ZOO_HOST}) or (bool(hosts) and get_weights_path(entry).is_file())

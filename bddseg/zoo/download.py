"""Getting a published file, from the cache, a folder, a mirror or its own host, and checking it."""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_error
from bddseg.io.read import UnreadableFileError, is_file, read_file
from bddseg.io.urls import redact
from bddseg.progress import ProgressGroup, SilentProgress
from bddseg.specs import Entry
from bddseg.zoo.addresses import (
    DownloadError,
    DownloadOptions,
    NoChecksumError,
    get_file_name,
    list_addresses,
    list_md5_addresses,
)
from bddseg.zoo.assets import Asset, get_weights_asset
from bddseg.zoo.cache import (
    Receipt,
    get_cached_path,
    get_part_paths,
    get_weights_path,
    read_receipt,
    store_file,
)
from bddseg.zoo.checksums import Checksum, hash_file, parse_md5
from bddseg.zoo.failure import Failure, make_error
from bddseg.zoo.resume import check_size, check_space

if TYPE_CHECKING:
    from bddseg.zoo.http import HttpClient

_log = logging.getLogger(__name__)


def get_weights(entry: Entry, progress: ProgressGroup | None = None) -> Path:
    """Return the file of an entry's weights; it is downloaded if it is not on this machine.

    Raises:
        BddsegError: it cannot be downloaded, or is damaged.
    """
    path = get_weights_path(entry)
    if entry.weights.file is not None:
        _check_local_file(entry, path)
    elif is_file(path):
        _log.info("Using %s", path)
        _check_size(entry, path)
    elif entry.weights.urls:
        Downloader(DownloadOptions(), progress or SilentProgress()).download(
            get_weights_asset(entry)
        )
    else:
        raise BddsegError(
            f"The entry of {entry.name} has no weights.",
            "Use --weights FILE, or add weights.file or weights.urls to its TOML.",
        )
    return path


class Downloader:
    """Downloads published files into the cache.

    Sources are tried in order. A download gets its final name only if its checksum is the published
    one. Of several processes, one downloads a file, and the others wait for it.

    Args:
        options: Sources to try first, and what is accepted.
        progress: Shows the downloads.
    """

    def __init__(self, options: DownloadOptions, progress: ProgressGroup) -> None:
        self._options = options
        self._progress = progress
        self._client_or_none = None
        if os.environ.get("BDDSEG_OFFLINE", "0") in ("", "0"):
            # Imported here: the network libraries open a socket on import.
            from bddseg.zoo.http import HttpClient

            self._client_or_none = HttpClient(progress, options.timeout_s, options.retries)

    def download(self, asset: Asset) -> Path:
        """Return a file in the cache; it is downloaded first if it is not there.

        Raises:
            BddsegError: no source provides it (the message gives the reason for each), or the cache
                cannot be written.
        """
        path = get_cached_path(asset)
        if is_file(path) and not self._options.force:
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _lock(path, self._progress):
                if self._options.force or not is_file(path):
                    self._try_sources(asset, path)
        except OSError as error:
            raise write_error(path, error) from error
        return path

    def download_all(self, assets: Sequence[Asset], num_threads: int) -> list[Path | BddsegError]:
        """Return the file of each asset, or why it cannot be downloaded; several at a time."""

        def download(asset: Asset) -> Path | BddsegError:
            try:
                return self.download(asset)
            except BddsegError as error:
                return error

        pool = ThreadPoolExecutor(num_threads)
        try:
            return list(pool.map(download, assets))
        finally:
            # After Ctrl-C the threads are still downloading, and the shutdown waits for them.
            if self._client_or_none:
                self._client_or_none.stop()
            pool.shutdown(cancel_futures=True)

    @property
    def _client(self) -> "HttpClient":
        if self._client_or_none is None:
            raise DownloadError("BDDSEG_OFFLINE forbids the network")
        return self._client_or_none

    def _try_sources(self, asset: Asset, path: Path) -> None:
        failures: list[Failure] = []
        for address in list_addresses(asset, self._options):
            try:
                self._download_from(address, asset, path)
                return
            except DownloadError as error:
                # Not the error itself: it would keep sockets open.
                is_unchecked = isinstance(error, NoChecksumError)
                failures.append(Failure(address, str(error), is_unchecked))
                _log.info("%s: %s", redact(str(address)), error)
        raise make_error(asset, self._options, failures)

    def _download_from(self, address: str | Path, asset: Asset, path: Path) -> None:
        """Download the file from one source, check it, and store it with its receipt."""
        checksum = None
        try:
            checksum = self._find_checksum(address, asset)
        except NoChecksumError:
            if not self._options.allow_unverified:
                self._check_exists(address)
                raise
        part, _ = get_part_paths(path)
        resumed = part.exists()
        self._receive(address, asset, path)
        found = hash_file(part)
        if checksum and checksum.find_mismatch(found) and resumed:
            # The part of an earlier download may be the reason: start again without it.
            part.unlink()
            self._receive(address, asset, path)
            found = hash_file(part)
        mismatch = checksum.find_mismatch(found) if checksum else ""
        if mismatch:
            part.unlink()
            raise DownloadError(f"{mismatch}; the download was deleted")
        receipt = Receipt(
            model=asset.entry.name,
            kind=asset.kind,
            source=redact(str(address)),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            size_bytes=part.stat().st_size,
            md5=found.md5,
            sha256=found.sha256,
            checked_against=checksum.origin if checksum else "",
            is_published=checksum.is_published if checksum else None,
        )
        store_file(path, part, receipt)

    def _receive(self, address: str | Path, asset: Asset, path: Path) -> None:
        """Write what a source provides to the unfinished download of `path`."""
        if isinstance(address, str):
            self._client.download(address, path, asset.largest_bytes)
            return
        part, info_path = get_part_paths(path)
        info_path.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        try:
            size = address.stat().st_size
            if not is_file(address):
                raise DownloadError("it is not a regular file")
            check_size(part, size, asset.largest_bytes)
            check_space(part, size)
            shutil.copyfile(address, part)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise DownloadError(error.strerror or str(error)) from error
        self._progress.start(path.name, unit="byte").update(done=size, total=size)

    def _find_checksum(self, address: str | Path, asset: Asset) -> Checksum:
        if asset.digest:
            origin = f"the entry of {asset.entry.name}"
            # A user's own entry may have it from anywhere.
            return Checksum(asset.digest, origin, is_published=asset.in_catalog or None)
        name = address.name if isinstance(address, Path) else get_file_name(address)
        problem = "no checksum is published for it"
        for md5_address in list_md5_addresses(asset, address):
            digest, reason = None, "it has no MD5 of this file"
            try:
                digest = parse_md5(self._read_text(md5_address), name)
            except (UnreadableFileError, DownloadError) as error:
                reason = str(error)
            if digest:
                is_published = address in asset.urls or md5_address == asset.md5_url
                return Checksum(digest, redact(str(md5_address)), is_published)
            if md5_address == asset.md5_url:
                problem = f"its published MD5, {redact(asset.md5_url)}, cannot be read ({reason})"
        raise NoChecksumError(problem)

    def _read_text(self, address: str | Path) -> str:
        if isinstance(address, Path):
            return read_file(address).decode("utf-8", errors="replace")
        return self._client.read_text(address)

    def _check_exists(self, address: str | Path) -> None:
        """Raise DownloadError if the file itself is missing: that is the better message."""
        if isinstance(address, str):
            self._client.check_exists(address)
        elif not is_file(address):
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


def _check_local_file(entry: Entry, path: Path) -> None:
    """Check that the file named in a TOML exists, and its checksum if the TOML has one."""
    if not is_file(path):
        raise BddsegError(
            f"The weights file {path} in the entry of {entry.name} does not exist.",
            "Correct weights.file in its TOML, or use --weights FILE.",
        )
    digest = entry.weights.digest
    if not digest:
        return
    checksum = Checksum(digest, f"the entry of {entry.name}")
    mismatch = checksum.find_mismatch(hash_file(path))
    if mismatch:
        raise BddsegError(
            f"{path} is not the expected file: {mismatch}.",
            "Replace the file, or correct the checksum in the TOML.",
        )


def _check_size(entry: Entry, path: Path) -> None:
    """Check the size of a cached file: a truncated file is the most frequent damage."""
    receipt = read_receipt(path)
    size = path.stat().st_size
    if receipt and receipt.size_bytes != size:
        raise BddsegError(
            f"{path} has {size:,} bytes, and had {receipt.size_bytes:,} when it was downloaded.",
            f"Download it again: bddseg zoo download {entry.short_name} --force",
        )

"""Getting a published file: from the cache, a disk, a mirror or its own host, and checked."""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bddseg.errors import BddsegError
from bddseg.files import unwritable
from bddseg.progress import Meter, SilentMeter
from bddseg.zoo.assets import Asset, get_weights_asset
from bddseg.zoo.cache import (
    Receipt,
    check_space,
    get_cached_path,
    get_part_paths,
    get_weights_path,
    keep_file,
    read_receipt,
)
from bddseg.zoo.catalog import list_entries
from bddseg.zoo.checksums import Digests, hash_file, parse_md5
from bddseg.zoo.entry import Entry
from bddseg.zoo.sources import (
    Places,
    Source,
    SourceError,
    is_offline,
    list_sources,
    read_mirrors,
)

if TYPE_CHECKING:
    from bddseg.zoo.transfer import Transfer

_ZOO_HOST = "dl.cv.ethz.ch"
_ZOO_OUTAGE = (
    f"{_ZOO_HOST}, the only host of the zoo's files, has been reported down since March 2026 "
    "(github.com/SysCV/bdd100k-models/issues/28)."
)


@dataclass(frozen=True, slots=True)
class _Expected:
    """A published checksum, MD5 or SHA-256, and where it was published."""

    digest: str
    origin: str

    def explain(self, found: Digests) -> str:
        """Return how a file's checksum differs; nothing if it does not."""
        if self.digest in found:
            return ""
        kind, digest = next(
            (kind, digest)
            for kind, digest in found._asdict().items()
            if len(digest) == len(self.digest)
        )
        return f"its {kind.upper()} is {digest}, and {self.digest} was expected ({self.origin})"


def get_weights(entry: Entry, meter: Meter | None = None) -> Path:
    """Return the file of an entry's weights, fetched if it is not on this machine yet.

    Raises:
        BddsegError: it cannot be had, or is damaged.
    """
    path = get_weights_path(entry)
    if entry.weights.file is not None:
        return _check_own_file(entry, path)
    if path.is_file():
        return _check_size(entry, path)
    if not entry.weights.urls:
        raise BddsegError(
            f"The entry of {entry.name} names no weights.",
            "Name a checkpoint with --weights FILE, or put weights.file or weights.urls into its "
            "TOML.",
        )
    return fetch_asset(get_weights_asset(entry), meter=meter)


def fetch_asset(
    asset: Asset,
    places: Places | None = None,
    *,
    transfer: "Transfer | None" = None,
    meter: Meter | None = None,
    force: bool = False,
) -> Path:
    """Return the cached file, fetched first if it is not there, by one process at a time.

    Sources are tried in order. What one gives takes the file's name only when its checksum is the
    published one.

    Args:
        asset: what to get.
        places: where to look first; without, the mirrors in $BDDSEG_MIRRORS.
        transfer: what fetches over HTTP, of `open_transfer`; may be shared by threads.
        meter: shows how far it is.
        force: fetch it although it is cached.

    Raises:
        BddsegError: no source gave it, and why not each; or the cache cannot be written.
    """
    path = get_cached_path(asset)
    if path.is_file() and not force:
        return path
    meter = meter or SilentMeter()
    places = places or Places(mirrors=read_mirrors())
    search = _Search(asset, places, transfer or open_transfer(meter), meter)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path, meter):
            if force or not path.is_file():
                search.run(path)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def fetch_assets(
    assets: Sequence[Asset],
    places: Places,
    transfer: "Transfer | None",
    *,
    meter: Meter,
    force: bool = False,
    jobs: int = 4,
) -> list[Path | BddsegError]:
    """Return for each asset its file or why it could not be had; `jobs` are fetched at a time."""

    def fetch(asset: Asset) -> Path | BddsegError:
        try:
            return fetch_asset(asset, places, transfer=transfer, meter=meter, force=force)
        except BddsegError as error:
            return error

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(fetch, assets))
    finally:
        # On Ctrl-C threads are at work still, and shutting down waits for them.
        if transfer:
            transfer.stop()
        pool.shutdown(cancel_futures=True)


def open_transfer(meter: Meter, *, timeout_s: float = 30.0, retries: int = 5) -> "Transfer | None":
    """Return what fetches over HTTP, or None where the environment forbids the network."""
    if is_offline():
        return None
    # Imported here: what is cached needs no network, and its libraries open a socket on import.
    from bddseg.zoo.transfer import Transfer

    return Transfer(meter, timeout_s=timeout_s, retries=retries)


class _Search:
    """One file, looked for in one source after the other."""

    def __init__(
        self, asset: Asset, places: Places, transfer: "Transfer | None", meter: Meter
    ) -> None:
        self._asset = asset
        self._places = places
        self._online = transfer
        self._meter = meter

    @property
    def _transfer(self) -> "Transfer":
        if self._online is None:
            raise SourceError("BDDSEG_OFFLINE forbids the network")
        return self._online

    def run(self, path: Path) -> None:
        """Put the file at `path`, or raise BddsegError."""
        tried: list[str] = []
        for source in list_sources(self._asset, self._places):
            try:
                self._take(source, path)
                return
            except SourceError as error:
                tried.append(f"{source.address}: {error}.")
        raise _explain(self._asset, tried)

    def _take(self, source: Source, path: Path) -> None:
        expected = self._find_checksum(source)
        if expected is None and not self._places.allow_unverified:
            self._check_exists(source)
            raise SourceError(
                "no checksum is published for it, and --allow-unverified was not given"
            )
        part, _ = get_part_paths(path)
        resumed = part.exists()
        found = hash_file(self._fetch(source, path))
        if expected and expected.explain(found) and resumed:
            # What an earlier run left may be the culprit; a fresh start settles it.
            part.unlink()
            found = hash_file(self._fetch(source, path))
        problem = expected.explain(found) if expected else ""
        if problem:
            part.unlink()
            raise SourceError(f"{problem}; what came was deleted")
        receipt = Receipt(
            model=self._asset.model,
            what=self._asset.what,
            source=str(source.address),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            size_bytes=part.stat().st_size,
            md5=found.md5,
            sha256=found.sha256,
            checked_against=expected.origin if expected else "",
        )
        keep_file(path, part, receipt)

    def _fetch(self, source: Source, path: Path) -> Path:
        """Return the part that holds what the source gave."""
        if isinstance(source.address, str):
            return self._transfer.fetch(source.address, path)

        part, notes = get_part_paths(path)
        notes.unlink(missing_ok=True)
        try:
            size = source.address.stat().st_size
            check_space(part.parent, size)
            shutil.copyfile(source.address, part)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise SourceError(error.strerror or str(error)) from error
        self._meter.show(path.name, size, size)
        return part

    def _find_checksum(self, source: Source) -> _Expected | None:
        known = self._asset.sha256 or self._asset.md5
        if known:
            return _Expected(known, f"the entry of {self._asset.model}")
        name = str(source.address).rpartition("/")[2]
        for address in source.md5_addresses:
            digest = parse_md5(self._read_text(address), name)
            if digest:
                return _Expected(digest, str(address))
        return None

    def _read_text(self, address: str | Path) -> str:

        try:
            if isinstance(address, Path):
                return address.read_text(encoding="utf-8", errors="replace")
            return self._transfer.read_text(address)
        except (OSError, SourceError):
            return ""

    def _check_exists(self, source: Source) -> None:
        """Raise if the file is not there: that is worse than a missing checksum."""
        if isinstance(source.address, str):
            self._transfer.check_exists(source.address)
        elif not source.address.is_file():
            raise SourceError("there is no such file")


@contextmanager
def _lock(path: Path, meter: Meter) -> Iterator[None]:
    """Keep other processes from the same file; the system lets go when a process dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        meter.note(f"Another process is fetching {path.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_own_file(entry: Entry, path: Path) -> Path:
    """Check the file that a TOML names, and its checksum if it has one."""
    if not path.is_file():
        raise BddsegError(
            f"There is no weights file {path}, which the entry of {entry.name} names.",
            "Correct weights.file in its TOML, or name another with --weights FILE.",
        )
    digest = entry.weights.sha256 or entry.weights.md5
    if digest:
        problem = _Expected(digest, f"the entry of {entry.name}").explain(hash_file(path))
        if problem:
            raise BddsegError(
                f"{path} is not the file that was meant: {problem}.",
                "Put the right file there, or correct the checksum in the TOML.",
            )
    return path


def _check_size(entry: Entry, path: Path) -> Path:
    """Notice at no cost what damages files most often: that they were cut."""
    receipt = read_receipt(path)
    size = path.stat().st_size
    if receipt and receipt.size_bytes != size:
        raise BddsegError(
            f"{path} has {size:,} bytes, and had {receipt.size_bytes:,} when it was fetched.",
            f"Fetch it again: bddseg zoo download {entry.short_name} --force",
        )
    return path


def _explain(asset: Asset, tried: list[str]) -> BddsegError:
    parts = [f"{asset.path.name} could not be had.", *tried]
    ways = ["a mirror (--mirror URL, or BDDSEG_MIRRORS)"] if asset.in_catalog else []
    model = asset.model if asset.in_catalog else "MODEL.toml"
    ways.append(f"a file that you have (bddseg zoo download {model} --from PATH)")
    if any(urlsplit(url).hostname == _ZOO_HOST for url in asset.urls):
        parts.append(_ZOO_OUTAGE)
        ways.append(f"another model, whose weights can be had ({_list_others()})")
    return BddsegError(" ".join(parts), f"Ways on: {'; or '.join(ways)}.")


def _list_others() -> str:
    """Return names of models whose weights are here or come from another host than the zoo's."""
    names = [entry.short_name for entry in list_entries() if _can_be_had(entry)]
    return ", ".join(names[:3]) or "the package bddseg-twinlitenet brings one"


def _can_be_had(entry: Entry) -> bool:
    hosts = {urlsplit(url).hostname for url in entry.weights.urls}
    return bool(hosts - {_ZOO_HOST}) or get_weights_path(entry).is_file()

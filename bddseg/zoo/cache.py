"""The files that are kept on this machine, and what is known of each.

The cache is laid out like the zoo's host: `drivable/models/NAME.pth`, with `NAME.md5` beside it.
Served over HTTP it is a mirror, and copied to another machine a source for `--from`. What a file is
and where it came from stands beside it in `NAME.pth.receipt.json`.
"""

import os
import shutil
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec
from platformdirs import user_cache_path

from bddseg.errors import BddsegError
from bddseg.files import list_files, write_atomically
from bddseg.zoo.assets import Asset, get_weights_asset, list_assets
from bddseg.zoo.checksums import hash_file
from bddseg.zoo.entry import Entry
from bddseg.zoo.kinds import What

_RECEIPT = ".receipt.json"
_PART = ".part"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a cached file.

    Attributes:
        model: name of the entry.
        what: kind of file.
        source: the address or path it came from.
        date: when, UTC, ISO 8601.
        size_bytes: its size.
        md5: its checksum.
        sha256: likewise.
        checked_against: where the checksum that it was found to have was published; empty if there
            was none.
    """

    model: str
    what: What
    source: str
    date: str
    size_bytes: int
    md5: str
    sha256: str
    checked_against: str = ""


class State(StrEnum):
    """What re-hashing says of a cached file."""

    GOOD = "good"
    BAD = "bad"
    UNVERIFIED = "unverified"


def get_cache_folder() -> Path:
    """Return the folder of all cached files: $BDDSEG_HOME, or the user's cache folder."""
    home = os.environ.get("BDDSEG_HOME")
    return Path(home).expanduser() if home else user_cache_path("bddseg")


def get_cached_path(asset: Asset) -> Path:
    """Return where a published file is, or would be, on this machine.

    Raises:
        BddsegError: the entry's names would lead out of the cache folder.
    """
    folder = get_cache_folder()
    if ".." in asset.path.parts or asset.path.is_absolute():
        raise BddsegError(
            f"The file {asset.path} of {asset.model} would leave the cache folder {folder}.",
            "Correct name and task in the model's entry.",
        )
    return folder / asset.path


def get_weights_path(entry: Entry) -> Path:
    """Return where the entry's weights are, or would be, on this machine."""
    if entry.weights.file is not None:
        return Path(entry.weights.file)
    return get_cached_path(get_weights_asset(entry))


def list_cached(entries: Iterable[Entry] | None = None) -> list[Path]:
    """Return the cached files, of these models or of all."""
    return [path for path in _list_paths(entries) if path.is_file()]


def list_parts(entries: Iterable[Entry] | None = None) -> list[Path]:
    """Return the parts of downloads that are not whole yet, of these models or of all."""
    parts = (get_part_paths(path)[0] for path in _list_paths(entries))
    return [part for part in parts if part.is_file()]


def _list_paths(entries: Iterable[Entry] | None) -> list[Path]:
    """Return the paths of all files of these models, or of what is or was being cached."""
    if entries is not None:
        assets = [asset for entry in entries for what in What for asset in list_assets(entry, what)]
        return [get_cached_path(asset) for asset in assets]
    folder = get_cache_folder()
    whole = list_files(folder, _is_asset) if folder.is_dir() else []
    begun = (part.with_name(part.name[1 : -len(_PART)]) for part in folder.rglob(f".*{_PART}"))
    return sorted({*whole, *begun})


def verify_file(path: Path) -> tuple[State, str]:
    """Hash a cached file and return what is to be thought of it, and why.

    Raises:
        BddsegError: it cannot be read.
    """
    receipt = read_receipt(path)
    if receipt is None:
        return State.UNVERIFIED, "nothing is known of where it came from"
    try:
        found = hash_file(path)
    except OSError as error:
        raise BddsegError(f"Cannot read {path}: {error.strerror}.", "Check permissions.") from error
    if found.sha256 != receipt.sha256:
        return State.BAD, f"SHA-256 is {found.sha256}, was {receipt.sha256} when it was fetched"
    if not receipt.checked_against:
        return State.UNVERIFIED, "as it was fetched, but no checksum was published for it"
    return State.GOOD, f"MD5 {found.md5}, as published ({receipt.checked_against})"


def read_receipt(path: Path) -> Receipt | None:
    """Return what is known of a cached file; None if nothing, or nothing legible."""
    try:
        return msgspec.json.decode(_beside(path).read_bytes(), type=Receipt)
    except (OSError, msgspec.DecodeError):
        return None


def keep_file(path: Path, part: Path, receipt: Receipt) -> None:
    """Give a fetched file its name in the cache, and write down what is known of it.

    The old receipt goes first: a crash between two steps leaves a file that counts as unverified,
    never one that counts as something it is not.
    """
    for stale in (_beside(path), path.with_suffix(".md5")):
        stale.unlink(missing_ok=True)
    part.replace(path)
    if receipt.checked_against:
        line = f"{receipt.md5}  {path.name}\n"
        write_atomically(path.with_suffix(".md5"), line.encode())
    write_atomically(_beside(path), msgspec.json.format(msgspec.json.encode(receipt)) + b"\n")


def remove_files(entries: Iterable[Entry] | None = None) -> None:
    """Remove the cached files of these models or of all, with all that belongs to them."""
    for path in _list_paths(entries):
        for each in (path, _beside(path), path.with_suffix(".md5"), *get_part_paths(path)):
            each.unlink(missing_ok=True)


def get_part_paths(path: Path) -> tuple[Path, Path]:
    """Return the paths of a download that is not whole yet, and of what is known of it."""
    part = path.with_name(f".{path.name}{_PART}")
    return part, part.with_name(f"{part.name}.json")


def check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        BddsegError: there is less free space than `needed_bytes`.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise BddsegError(
            f"{folder} has {free / 1e6:,.0f} MB free, and {needed_bytes / 1e6:,.0f} MB are needed.",
            "Free some space (`bddseg zoo remove`), or set BDDSEG_HOME to a folder that has it.",
        )


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _RECEIPT)


def _is_asset(path: Path) -> bool:
    return not path.name.endswith((_RECEIPT, ".md5"))

"""The cache: published files on this machine, each with a receipt.

The cache has the layout of the zoo's host: `drivable/models/NAME.pth`, and `NAME.md5` in the same
folder. Served over HTTP it is a mirror, and copied to another machine it can be used with `--from`.
The receipt, `NAME.pth.receipt.json`, says where a file came from and what its checksums were.
"""

import os
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec
from platformdirs import user_cache_path

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg.io.read import UnreadableFileError, read_file
from bddseg.io.urls import redact
from bddseg.specs import Entry
from bddseg.zoo.assets import Asset, AssetKind, get_weights_asset, list_assets
from bddseg.zoo.catalog import list_entries
from bddseg.zoo.checksums import hash_file

_RECEIPT = ".receipt.json"
_PART = ".part"
# A file of a user's own entry, such as own/models/mine-0123456789.pth.
_OWN_NAME = re.compile(r"/own/[a-z-]+/[^/]+-[0-9a-f]{10}(\.(?!md5$)[^/.]*)?$")


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cached file came from.

    Attributes:
        model: Name of the entry.
        kind: Kind of file.
        source: URL or path that it was downloaded or copied from.
        date: Date of the download, UTC, ISO 8601.
        size_bytes: Size of the file.
        md5: MD5 of the file.
        sha256: SHA-256 of the file.
        checked_against: Where the checksum was found that the file was checked against; empty if
            there was none.
        is_published: Whether that checksum came from the publisher or a catalog; None if that is
            not known, as in older receipts.
    """

    model: str
    kind: str
    source: str
    date: str
    size_bytes: int
    md5: str
    sha256: str
    checked_against: str = ""
    is_published: bool | None = None

    def describe_checksum(self) -> str:
        """Return the file's MD5, and what its checksum was checked against."""
        if not self.checked_against:
            state = "unverified"
        elif self.is_published:
            state = f"checksum as published ({self.checked_against})"
        else:
            doubt = "" if self.is_published is None else ", which did not come from the publisher"
            state = f"checksum matches {self.checked_against}{doubt}"
        return f"MD5 {self.md5}, {state}"


class FileState(StrEnum):
    """The result of verifying a cached file."""

    GOOD = "good"
    BAD = "bad"
    UNVERIFIED = "unverified"


def get_cache_folder() -> Path:
    """Return the cache folder: $BDDSEG_HOME, or the user's cache folder.

    Raises:
        BddsegError: $BDDSEG_HOME begins with "~" and the name of nobody.
    """
    home = os.environ.get("BDDSEG_HOME")
    try:
        return Path(home).expanduser() if home else user_cache_path("bddseg")
    except RuntimeError as error:
        raise BddsegError(f"There is no folder {home}.", "Correct BDDSEG_HOME.") from error


def get_cached_path(asset: Asset) -> Path:
    """Return the path of a published file in the cache, whether it is there or not.

    Raises:
        BddsegError: the path would be outside the cache folder.
    """
    folder = get_cache_folder()
    if ".." in asset.path.parts or asset.path.is_absolute():
        raise BddsegError(
            f"The file {asset.path} of {asset.entry.name} would be outside the cache, {folder}.",
            "Correct the name and the task in the model's entry.",
        )
    return folder / asset.path


def get_weights_path(entry: Entry) -> Path:
    """Return the path of an entry's weights on this machine, whether they are there or not."""
    if entry.weights.file is not None:
        return Path(entry.weights.file)
    return get_cached_path(get_weights_asset(entry))


def list_paths(entries: Iterable[Entry] | None = None) -> list[Path]:
    """Return where the files of these models are cached, whether they are there or not.

    Without models: where this program has cached files, complete or unfinished, and nothing else
    that is in the folder.
    """
    if entries is not None:
        return [
            get_cached_path(asset)
            for entry in entries
            for kind in AssetKind
            for asset in list_assets(entry, kind)
        ]
    known = set(list_paths(list_entries()))
    found = {
        Path(parent, _get_complete_name(name))
        for parent, _, names in os.walk(get_cache_folder())
        for name in names
    }
    return sorted(path for path in found if path in known or _has_own_name(path))


def _get_complete_name(name: str) -> str:
    """Return the name of the complete file, of the name of its receipt or of its part."""
    is_part = name.startswith(".") and name.endswith(_PART)
    return name[1 : -len(_PART)] if is_part else name.removesuffix(_RECEIPT)


def _has_own_name(path: Path) -> bool:
    return read_receipt(path) is not None or _OWN_NAME.search(path.as_posix()) is not None


def verify_file(path: Path) -> tuple[FileState, str]:
    """Hash a cached file; return its state and the reason.

    Raises:
        BddsegError: it cannot be read.
    """
    receipt = read_receipt(path)
    if receipt is None:
        return FileState.UNVERIFIED, "it has no receipt, so its source is unknown"
    try:
        found = hash_file(path)
    except OSError as error:
        raise BddsegError(f"Cannot read {path}: {error.strerror}.", "Check permissions.") from error
    if found.sha256 != receipt.sha256:
        return (
            FileState.BAD,
            f"SHA-256 is {found.sha256}, and was {receipt.sha256} when it was downloaded",
        )
    if not receipt.checked_against:
        return FileState.UNVERIFIED, "unchanged since its download, which had no checksum"
    return FileState.GOOD, receipt.describe_checksum()


def read_receipt(path: Path) -> Receipt | None:
    """Return the receipt of a cached file; None if there is none or it cannot be parsed."""
    try:
        receipt = msgspec.json.decode(read_file(_get_receipt_path(path)), type=Receipt)
    except (UnreadableFileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # Version 0.1 stored whole URLs.
    origin = redact(receipt.checked_against)
    return msgspec.structs.replace(receipt, source=redact(receipt.source), checked_against=origin)


def store_file(path: Path, part: Path, receipt: Receipt) -> None:
    """Move a downloaded file to its path in the cache, and write its receipt.

    The old receipt is deleted first: after a crash between two steps, the file counts as
    unverified, and never has the receipt of another file.
    """
    for stale in (_get_receipt_path(path), path.with_suffix(".md5")):
        stale.unlink(missing_ok=True)
    part.replace(path)
    if receipt.checked_against:
        line = f"{receipt.md5}  {path.name}\n"
        write_atomically(path.with_suffix(".md5"), line.encode())
    content = msgspec.json.format(msgspec.json.encode(receipt)) + b"\n"
    write_atomically(_get_receipt_path(path), content)


def remove_file(path: Path) -> None:
    """Remove what there is of a cached file: itself, its receipt and its unfinished download."""
    md5_path = path.with_suffix(".md5")
    for each in (path, _get_receipt_path(path), md5_path, *get_part_paths(path)):
        each.unlink(missing_ok=True)


def get_part_paths(path: Path) -> tuple[Path, Path]:
    """Return the paths of an unfinished download and of the JSON that describes it."""
    part = path.with_name(f".{path.name}{_PART}")
    return part, part.with_name(f"{part.name}.json")


def _get_receipt_path(path: Path) -> Path:
    return path.with_name(path.name + _RECEIPT)

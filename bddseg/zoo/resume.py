"""Partly downloaded files: what is known of them, and whether a server continues them."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bddseg.io.read import UnreadableFileError, read_file
from bddseg.zoo.addresses import DownloadError

if TYPE_CHECKING:
    # Not imported at run time: it opens a socket, also where a file is only copied.
    import requests

# isdigit accepts digits of all scripts, and int refuses thousands of them.
_NUMBER = re.compile("[0-9]{1,18}")


class PartInfo(msgspec.Struct, frozen=True):
    """What is known of a partly downloaded file.

    Attributes:
        url_sha256: Digest of the URL of the complete file, which can contain a password.
        validator: ETag or Last-Modified, which identify the file's version.
        total: Size of the complete file in bytes.
    """

    url_sha256: str
    validator: str | None
    total: int | None


def read_part_info(path: Path, url: str) -> PartInfo | None:
    """Return what is known of a part; None if nothing is, or if it is a part of another URL."""
    try:
        info = msgspec.json.decode(read_file(path), type=PartInfo)
    except (UnreadableFileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return info if info.url_sha256 == _hash(url) else None


def write_part_info(path: Path, url: str, response: "requests.Response", total: int | None) -> None:
    """Write what is known of a part; nothing if it cannot be continued later."""
    path.unlink(missing_ok=True)
    if not _is_encoded(response):
        info = PartInfo(_hash(url), _get_validator(response), total)
        path.write_bytes(msgspec.json.encode(info))


def make_range_headers(info: PartInfo | None, offset: int) -> dict[str, str]:
    """Return the headers that ask for the bytes from `offset` on."""
    if not info or not offset:
        return {}
    condition = {"If-Range": info.validator} if info.validator else {}
    return {"Range": f"bytes={offset}-", **condition}


def get_total_bytes(response: "requests.Response", offset: int) -> int | None:
    """Return the size of the complete file, if the server sends it."""
    length = response.headers.get("Content-Length", "")
    is_known = _NUMBER.fullmatch(length) and not _is_encoded(response)
    return offset + int(length) if is_known else None


def continues(response: "requests.Response", offset: int, info: PartInfo) -> bool:
    """Return whether a response holds the bytes from `offset` on of the same file."""
    if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return False
    # Some servers support Range and ignore If-Range.
    return info.validator is None or info.validator == _get_validator(response)


def get_size(path: Path | None) -> int:
    """Return the size of a file in bytes; 0 if it does not exist."""
    return path.stat().st_size if path and path.exists() else 0


def check_size(part: Path, size_bytes: int, largest_bytes: int) -> None:
    """Check that a file is not larger than it can be; if it is, its part is deleted.

    Raises:
        DownloadError: it is.
    """
    if size_bytes > largest_bytes:
        part.unlink(missing_ok=True)
        raise DownloadError(
            f"it has {size_bytes / 1e6:,.0f} MB or more, and should have "
            f"{largest_bytes / 1e6:,.0f} MB at most"
        )


def check_space(part: Path, needed_bytes: int) -> None:
    """Check that the disk of a part has enough free space.

    Raises:
        DownloadError: it has less than `needed_bytes`.
    """
    free = shutil.disk_usage(part.parent).free
    if needed_bytes > free:
        raise DownloadError(
            f"{part.parent} has {free / 1e6:,.0f} MB free, and {needed_bytes / 1e6:,.0f} MB are "
            "needed: free some (bddseg zoo remove), or set BDDSEG_HOME to a larger disk"
        )


def _is_encoded(response: "requests.Response") -> bool:
    """Return whether the body is compressed, so that its length is not the file's."""
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def _get_validator(response: "requests.Response") -> str | None:
    """Return what identifies the file's version; a weak ETag does not (RFC 9110, 13.1.5)."""
    tag: str | None = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified")

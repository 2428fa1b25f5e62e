"""Checksums of files, and parsing published ones."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

_MD5 = re.compile(r"(?<![0-9a-zA-Z])[0-9a-fA-F]{32}(?![0-9a-zA-Z])")
_CHUNK_BYTES = 1 << 20


class Digests(NamedTuple):
    """Checksums of one file, in lower-case hex digits."""

    md5: str
    sha256: str
    git_sha1: str
    sha256_prefix: str


class Checksum(NamedTuple):
    """The checksum that a file should have.

    Attributes:
        digest: MD5, SHA-256 or its first eight digits, or git's SHA-1, in lower-case hex digits.
        origin: Where it was found.
        is_published: Whether it came from the publisher or a catalog; None if that is not known.
    """

    digest: str
    origin: str
    is_published: bool | None = None

    def find_mismatch(self, found: Digests) -> str:
        """Return how a file's checksum differs from this one; empty if it does not."""
        if self.digest in found:
            return ""
        names = ("MD5", "SHA-256", "SHA-1 in git", "SHA-256's beginning")
        for name, digest in zip(names, found, strict=True):
            if len(digest) == len(self.digest):
                return f"its {name} is {digest}, expected {self.digest} ({self.origin})"
        return f"expected the checksum {self.digest} ({self.origin}), which is of no known kind"


def hash_file(path: Path) -> Digests:
    """Return the checksums of a file, read once.

    Raises:
        OSError: it cannot be read.
    """
    # MD5 is what the zoo publishes. It detects damage; like SHA-1, it does not stop an attacker.
    hashes = (
        hashlib.md5(usedforsecurity=False),
        hashlib.sha256(),
        hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False),
    )
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            for each in hashes:
                each.update(chunk)
    md5, sha256, git_sha1 = (each.hexdigest() for each in hashes)
    return Digests(md5, sha256, git_sha1, sha256[:8])


def parse_md5(text: str, name: str) -> str | None:
    """Return the MD5 that a checksum file gives for the file `name`, or None.

    Supported are a bare hash, `hash  name` as md5sum writes it, and `MD5 (name) = hash`. Of several
    lines, the one with `name` is used.
    """
    lines = [line for line in text.splitlines() if _MD5.search(line)]
    if len(lines) > 1:
        named = rf"(^|[\s(/\\*]){re.escape(name)}($|[\s)])"
        lines = [line for line in lines if re.search(named, line)]
    found = {digest.lower() for line in lines for digest in _MD5.findall(line)[:1]}
    return found.pop() if len(found) == 1 else None

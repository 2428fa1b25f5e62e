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


class Checksum(NamedTuple):
    """A published checksum.

    Attributes:
        digest: MD5 or SHA-256, in lower-case hex digits.
        origin: Where it was published.
    """

    digest: str
    origin: str

    def find_mismatch(self, found: Digests) -> str:
        """Return how a file's checksum differs from this one; empty if it does not."""
        if self.digest in found:
            return ""
        name = "MD5" if len(self.digest) == len(found.md5) else "SHA-256"
        digest = found.md5 if name == "MD5" else found.sha256
        return f"its {name} is {digest}, expected {self.digest} ({self.origin})"


def hash_file(path: Path) -> Digests:
    """Return MD5 and SHA-256 of a file, read once.

    Raises:
        OSError: it cannot be read.
    """
    # MD5 is what the zoo publishes. It detects damage; it is no defense against an attacker.
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            md5.update(chunk)
            sha256.update(chunk)
    return Digests(md5.hexdigest(), sha256.hexdigest())


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

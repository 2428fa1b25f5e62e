"""Checksums of files, and the forms in which they are published."""

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


def hash_file(path: Path) -> Digests:
    """Return MD5 and SHA-256 of a file, read once.

    Raises:
        OSError: it cannot be read.
    """
    # MD5 guards against damage, as published; it is not relied on against attack.
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            md5.update(chunk)
            sha256.update(chunk)
    return Digests(md5.hexdigest(), sha256.hexdigest())


def parse_md5(text: str, name: str) -> str | None:
    """Return the MD5 that a checksum file gives for the file `name`, or None.

    Understood are a bare hash, `hash  name` as md5sum writes it, and `MD5 (name) = hash`; of
    several lines the one that ends in or names `name` counts.
    """
    lines = [line for line in text.splitlines() if _MD5.search(line)]
    if len(lines) > 1:
        lines = [
            line for line in lines if re.search(rf"(^|[\s(/*]){re.escape(name)}($|[\s)])", line)
        ]
    found = _MD5.search(lines[0]) if len(lines) == 1 else None
    return found[0].lower() if found else None

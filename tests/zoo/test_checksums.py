"""Checksums of files, and published ones."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from bddseg.zoo.checksums import Checksum, hash_file

BODY = b"weights" * 300_000


def test_checksums_are_those_of_the_tools(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(BODY)
    git = subprocess.run(
        ["git", "hash-object", path], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = hash_file(path)
    assert found.md5 == hashlib.md5(BODY).hexdigest()
    assert found.sha256 == hashlib.sha256(BODY).hexdigest()
    assert found.git_sha1 == git.stdout.strip()


@pytest.mark.parametrize(
    ("length", "kind"),
    [(32, "MD5"), (64, "SHA-256"), (40, "SHA-1 in git"), (8, "SHA-256's beginning")],
)
def test_a_checksum_is_compared_with_that_of_its_kind(
    tmp_path: Path, length: int, kind: str
) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(BODY)
    found = hash_file(path)
    (right,) = [digest for digest in found if len(digest) == length]
    assert Checksum(right, "here").find_mismatch(found) == ""
    problem = Checksum("0" * length, "here").find_mismatch(found)
    assert problem == f"its {kind} is {right}, expected {'0' * length} (here)"


def test_a_checksum_of_no_known_kind_never_fits(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(BODY)
    assert "of no known kind" in Checksum("0" * 10, "here").find_mismatch(hash_file(path))

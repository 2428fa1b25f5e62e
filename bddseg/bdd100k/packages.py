"""The official packages of BDD100K that training needs, by their MD5.

Source: the bdd100k toolkit, doc/source/download.rst.
"""

from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.zoo.checksums import hash_file

_PACKAGES = {
    "0abc320461200b1d7916f82fdcd64a96": "Drivable Area",
    "5a0359c86a0b8713adab1eee9a3041cb": "100K Images",
}


def identify_package(path: Path) -> str:
    """Return which official package a zip file is.

    Raises:
        BddsegError: it cannot be read, or is none of them.
    """
    try:
        md5 = hash_file(path).md5
    except OSError as error:
        raise BddsegError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    if md5 not in _PACKAGES:
        listed = ", ".join(f"{name} {known}" for known, name in _PACKAGES.items())
        raise BddsegError(
            f"{path} is none of BDD100K's packages: its MD5 is {md5}, and theirs are {listed}.",
            "Download it again, or unpack it and check the folder.",
        )
    return _PACKAGES[md5]

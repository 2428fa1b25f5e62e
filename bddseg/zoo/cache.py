"""Where weights are kept on this machine."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from bddseg.errors import BddsegError
from bddseg.zoo.entry import Entry


def get_cache_folder() -> Path:
    """Return the folder of all cached files: $BDDSEG_HOME, or the user's cache folder."""
    home = os.environ.get("BDDSEG_HOME")
    return Path(home).expanduser() if home else user_cache_path("bddseg")


def get_weights_path(entry: Entry) -> Path:
    """Return where the entry's weights are, or would be, on this machine."""
    if entry.weights.file is not None:
        return Path(entry.weights.file)
    return get_cache_folder() / "models" / f"{entry.name}.pth"


def find_weights(entry: Entry) -> Path:
    """Return the file of an entry's weights.

    Raises:
        BddsegError: it is not on this machine.
    """
    path = get_weights_path(entry)
    if path.is_file():
        return path
    source = f" Published at {entry.weights.urls[0]}" if entry.weights.urls else ""
    raise BddsegError(
        f"The weights of {entry.name} are not at {path}.{source}",
        "Put the file there, or name it with --weights FILE.",
    )

"""Defaults of a user and of a project, from TOML files.

# bddseg.toml
mirrors = ["https://mirror.example/bdd100k"]
runtime = "openvino"
threads = 2
"""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from platformdirs import user_config_path

from bddseg.io.toml import convert, read_toml
from bddseg.specs import Name, Size

PROJECT_FILE = Path("bddseg.toml")
_HINT = 'Correct that key, as in: runtime = "openvino". `bddseg config` shows what is in effect.'


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Defaults of commands; an option or an environment variable comes before them.

    Attributes:
        mirrors: Base URLs that downloads are tried from, after --mirror and BDDSEG_MIRRORS.
        runtime: What executes networks.
        threads: Threads for the network, of each worker.
    """

    mirrors: tuple[str, ...] | None = None
    runtime: Name | None = None
    threads: Size | None = None


class ReadConfig(NamedTuple):
    """The values in effect.

    Attributes:
        config: The values.
        origins: The file that each value is from, by key.
    """

    config: Config
    origins: dict[str, Path]


def list_config_files() -> list[Path]:
    """Return the files that are read, whether they exist or not: the user's, then the project's.

    The project's is `bddseg.toml` in the current folder; its values replace the user's.
    """
    return [user_config_path("bddseg") / "config.toml", PROJECT_FILE]


def read_config() -> ReadConfig:
    """Return the values in effect.

    Raises:
        BddsegError: a file cannot be read, or a key is unknown or has a value that it cannot have.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Path] = {}
    for path in list_config_files():
        if path.is_file():
            found = msgspec.to_builtins(convert(read_toml(path), Config, str(path), _HINT))
            present = {key: value for key, value in found.items() if value is not None}
            values |= present
            origins |= dict.fromkeys(present, path)
    return ReadConfig(msgspec.convert(values, Config), origins)

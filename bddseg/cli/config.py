"""`bddseg config`: the defaults in effect, and where they are from."""

from typing import Any

import msgspec

from bddseg.cli.console import show, show_json, show_note
from bddseg.cli.options import RUNTIME_NAMES, AsJson
from bddseg.cli.table import make_table
from bddseg.config import Config, list_config_files, read_config
from bddseg.errors import BddsegError

# Commands that run a network, and which of their options have a default in the configuration.
_OPTIONS = {
    "infer": ("runtime", "threads"),
    "bench": ("runtime", "threads"),
    "train": ("threads",),
}


def config(as_json: AsJson = False) -> None:
    """Show the defaults of this machine and of this folder: mirrors, runtime, threads.

    They are in TOML files that you write: one of the user, and bddseg.toml in the current folder,
    which may hold threads = 2, runtime = "openvino" and mirrors = ["https://..."].

    Examples:
      bddseg config
      bddseg config --json
    """
    values, origins = read_config()
    _check(values, origins)
    files = [str(path) for path in list_config_files()]
    found = {key: value for key, value in msgspec.to_builtins(values).items() if value is not None}
    if as_json:
        show_json(
            {"files": files, "values": found, "from": {k: str(v) for k, v in origins.items()}}
        )
        return
    rows = [
        [key, _format(found.get(key)), str(origins.get(key, "default"))]
        for key in Config.__struct_fields__
    ]
    show(make_table(["key", "value", "from"], rows, text=(0, 1, 2)))
    show(f"\nRead, if they exist: {', '.join(files)}")
    if not found:
        show_note(f"To set a default, write a line such as `threads = 2` into {files[-1]}.")


def get_defaults() -> dict[str, dict[str, Any]]:
    """Return default values of options, by command, as click's `default_map`.

    Raises:
        BddsegError: a file cannot be read, or has a value that it cannot have.
    """
    values, origins = read_config()
    _check(values, origins)
    return {
        command: {
            name: getattr(values, name) for name in names if getattr(values, name) is not None
        }
        for command, names in _OPTIONS.items()
    }


def _check(values: Config, origins: Any) -> None:
    import typer

    try:
        RUNTIME_NAMES.check(values.runtime)
    except typer.BadParameter as error:
        raise BddsegError(
            f"{origins['runtime']}, key runtime: {error.message}", "Correct that key."
        ) from None


def _format(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(value) if isinstance(value, tuple | list) else str(value)

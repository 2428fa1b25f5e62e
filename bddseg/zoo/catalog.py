"""Catalogs: the entries of the package and of plugins, and finding one by name."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from bddseg.errors import BddsegError, unknown_name
from bddseg.io.toml import convert, format_toml, read_tables, read_toml
from bddseg.io.urls import find_problem, redact
from bddseg.registry import Registry, read_files, require_toml_path
from bddseg.specs import Entry

_HINT = (
    "Correct that key. `bddseg zoo show pspnet_r50-d8_512x1024_40k --json` shows a complete entry."
)
# Models of a package in the repository, for those who have not installed it.
_PLUGIN_MODELS = {
    "bddseg-lite": ("swiftnet_lite",),
    "bddseg-realtime": (
        "espnetv2_1024x512",
        "twinlitenetplus_nano",
        "twinlitenetplus_small",
        "twinlitenet",
        "yolop_640x640",
    ),
}

CATALOGS: Registry[str | Path] = Registry("bddseg.catalogs", "catalog", check=require_toml_path)


def read_catalog(path: Path) -> list[Entry]:
    """Return the entries of a catalog file: its `[[entry]]` tables, see `read_tables`.

    Raises:
        BddsegError: the file or one of its entries is invalid; the message names file and key.
    """
    return [
        _parse_entry(table.content, table.origin, path.parent)
        for table in read_tables(path, "entry", _HINT)
    ]


@cache
def list_entries() -> tuple[Entry, ...]:
    """Return the entries of all catalogs: built-in ones first, each in the order of its catalog.

    A catalog that does not load and an entry with a used name are ignored, with a warning.
    """
    return tuple(read_files(CATALOGS, read_catalog, "entry"))


def list_models(task: str | None = None) -> list[Entry]:
    """Return the entries of all models, or of those of one task.

    Raises:
        BddsegError: there is no such task.
    """
    if task is None:
        return list(list_entries())
    # Imported here: completion of model names should be quick.
    from bddseg.tasks.task import get_task

    name = get_task(task).name
    return [entry for entry in list_entries() if name in (entry.task, *entry.extra_tasks)]


def find_entry(model: str | Path | Entry) -> Entry:
    """Return the entry of a model.

    Args:
        model: Name or short name of the entry, path of its TOML file, or the entry itself.

    Raises:
        BddsegError: no entry has that name (the message has the three nearest ones), or the file is
            invalid.
    """
    if isinstance(model, Entry):
        return model
    if not isinstance(model, str | Path):
        raise BddsegError(
            f"A model cannot be of type {type(model).__name__}.",
            "Give a name of `bddseg zoo list`, the path of a TOML file or an entry.",
        )
    model = str(model)
    if model.endswith(".toml"):
        return read_entry(Path(model))
    for entry in list_entries():
        if model in (entry.name, entry.short_name):
            return entry
    for package, models in _PLUGIN_MODELS.items():
        if model in models:
            raise BddsegError(
                f"The model '{model}' is in the package {package}, which is not installed.",
                f"Install it, in a copy of the repository: pip install ./plugins/{package}",
            )
    names = [entry.short_name for entry in list_entries()]
    raise unknown_name("model", model, names, "`bddseg zoo list` shows all models.")


def _parse_entry(table: Mapping[str, Any], origin: str, folder: Path) -> Entry:
    """Return the entry of a TOML table; `origin` is named in errors, paths are below `folder`."""
    entry = convert(table, Entry, origin, _HINT)
    weights, links = entry.weights, entry.links
    for url in (*weights.urls, weights.md5_url, *msgspec.structs.astuple(links)):
        problem = find_problem(url) if url else ""
        if problem:
            raise BddsegError(
                f"{origin}: {redact(url)} is not a URL: {problem}.", "Correct that URL."
            )
    options = {
        key: str(folder / value) if isinstance(value, str) and value.startswith("./") else value
        for key, value in entry.options.items()
    }
    if weights.file is not None:
        weights = msgspec.structs.replace(weights, file=str(folder / weights.file))
    return msgspec.structs.replace(entry, options=options, weights=weights)


def read_entry(path: Path) -> Entry:
    """Return the entry in a user's own TOML file.

    Raises:
        BddsegError: the file cannot be read, or one of its keys is invalid.
    """
    return _parse_entry(read_toml(path), str(path), path.parent)


def format_entry(entry: Entry) -> str:
    """Return the TOML of an entry, for `read_entry`."""
    return format_toml(entry)

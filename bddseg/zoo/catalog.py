"""Catalogs: the entries of the package and of plugins, and finding one by name."""

import tomllib
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bddseg.errors import BddsegError, BddsegWarning, unknown_name
from bddseg.io.read import read_file
from bddseg.registry import Registry
from bddseg.specs import Entry
from bddseg.zoo.urls import find_problem, redact

T = TypeVar("T")

# Levels of tables and lists in a file; entries need about five.
_DEEPEST = 50
# Characters of an entry's name in errors; names of files end at 255.
_LONGEST_NAME = 128
# Models of a package in the repository, for those who have not installed it.
_PLUGIN_MODELS = {
    "bddseg-realtime": (
        "espnetv2_1024x512",
        "twinlitenetplus_nano",
        "twinlitenetplus_small",
        "twinlitenet",
        "yolop_640x640",
    )
}


def _check(candidate: Any) -> None:
    if not isinstance(candidate, str | Path):
        raise TypeError(f"expected the path of a TOML file, got {type(candidate).__name__}")


CATALOGS: Registry[str | Path] = Registry("bddseg.catalogs", "catalog", check=_check)


class _Catalog(msgspec.Struct, forbid_unknown_fields=True):
    """A catalog file: [base.NAME] and [[entry]] tables."""

    base: dict[str, dict[str, Any]] = {}
    entry: list[dict[str, Any]] = []


def read_catalog(path: Path) -> list[Entry]:
    """Return the entries of a catalog file.

    The file has `[[entry]]` tables. An entry or a `[base.NAME]` table inherits from another base
    with `extends = "NAME"`: tables are merged, and other values are replaced. `{name}` in a string
    is replaced by the entry's name.

    Raises:
        BddsegError: the file or one of its entries is invalid; the message names file and key.
    """
    catalog = _convert(_read_toml(path), _Catalog, str(path))
    entries = []
    for table in catalog.entry:
        name = str(table.get("name", "an entry without a name"))[:_LONGEST_NAME]
        origin = f"{path}, entry {name}"
        merged = _extend(table, catalog.base, origin)
        entries.append(_parse_entry(_fill_name(merged, name), origin, path.parent))
    return entries


def _extend(
    table: dict[str, Any], bases: Mapping[str, dict[str, Any]], origin: str
) -> dict[str, Any]:
    tables, names = [table], [table.get("extends")]
    while names[-1] is not None:
        base = names[-1]
        if not isinstance(base, str) or base not in bases or base in names[:-1]:
            cause = "extends itself" if base in names[:-1] else "does not exist"
            raise BddsegError(
                f"{origin}: the base '{base}' {cause}.", f"Bases: {', '.join(bases)}."
            )
        tables.append(bases[base])
        names.append(bases[base].get("extends"))
    merged: dict[str, Any] = {}
    for each in reversed(tables):
        merged = _merge(merged, each)
    merged.pop("extends", None)
    return merged


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _fill_name(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value.replace("{name}", name)
    if isinstance(value, Mapping):
        return {key: _fill_name(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_name(item, name) for item in value]
    return value


@cache
def list_entries() -> tuple[Entry, ...]:
    """Return the entries of all catalogs: built-in ones first, each in the order of its catalog.

    A catalog that does not load and an entry with a used name are ignored, with a warning.
    """
    entries: dict[str, Entry] = {}
    for catalog in CATALOGS.list_names():
        package = CATALOGS.get_package(catalog)
        try:
            found = read_catalog(Path(CATALOGS.load(catalog)))
        except BddsegError as error:
            _warn(f"The catalog of package {package} is ignored. {error}")
            continue
        for entry in found:
            if entries.setdefault(entry.name, entry) is not entry:
                _warn(
                    f"The entry '{entry.name}' of package {package} is ignored: another catalog "
                    "has an entry of that name."
                )
    return tuple(entries.values())


def _warn(text: str) -> None:
    warnings.warn(text, BddsegWarning, stacklevel=3)


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
    entry = _convert(table, Entry, origin)
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


def _convert(table: Mapping[str, Any], kind: type[T], origin: str) -> T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise BddsegError(
            f"{origin}: {str(error).replace('`$.', '`')}.",
            "Correct that key. `bddseg zoo show pspnet_r50-d8_512x1024_40k --json` shows a "
            "complete entry.",
        ) from error


def _read_toml(path: Path) -> dict[str, Any]:
    content = read_file(path)
    try:
        document = tomllib.loads(content.decode())
        if not _is_too_deep(document):
            return document
        cause = f"more than {_DEEPEST} tables are nested"
    except RecursionError:
        cause = "its values are nested too deeply"
    # Syntax, bytes that are no UTF-8, or a number of thousands of digits.
    except ValueError as error:
        cause = str(error)
    raise BddsegError(f"{path} is not valid TOML: {cause}.", "Correct the file.")


def _is_too_deep(value: Any, levels: int = _DEEPEST) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not levels or any(_is_too_deep(each, levels - 1) for each in inner)


def read_entry(path: Path) -> Entry:
    """Return the entry in a user's own TOML file.

    Raises:
        BddsegError: the file cannot be read, or one of its keys is invalid.
    """
    return _parse_entry(_read_toml(path), str(path), path.parent)


def format_entry(entry: Entry) -> str:
    """Return the TOML of an entry, for `read_entry`.

    Empty values are omitted: TOML has no null, and they are the defaults.
    """
    import tomli_w

    return tomli_w.dumps(_drop_defaults(msgspec.to_builtins(entry)))


def _drop_defaults(table: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        short = _drop_defaults(value) if isinstance(value, dict) else value
        if short not in (None, "", [], (), {}):
            kept[key] = list(short) if isinstance(short, tuple) else short
    return kept

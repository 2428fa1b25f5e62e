"""Catalogs: the entries that we and plugins bring, and finding one by name."""

import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bddseg.errors import BddsegError, BddsegWarning, unknown_name
from bddseg.registry import Registry
from bddseg.zoo.entry import Entry, parse_entry, read_entry, read_toml


def _check(candidate: Any) -> None:
    if not isinstance(candidate, str | Path):
        raise TypeError(f"a path was expected, and it is a {type(candidate).__name__}")


# A catalog is the path of a TOML file.
CATALOGS: Registry[str | Path] = Registry("bddseg.catalogs", "catalog", check=_check)


def read_catalog(path: Path) -> list[Entry]:
    """Return the entries of a catalog file.

    The file holds `[[entry]]` tables. What entries share stands once, in a `[base.NAME]` table,
    which an entry or another base takes over with `extends = "NAME"` and refines: tables merge,
    anything else is replaced. `{name}` in a string stands for the entry's name.

    Raises:
        BddsegError: the file or one of its entries is wrong; it names the file and the key.
    """
    document = read_toml(path)
    bases = document.pop("base", {})
    tables = document.pop("entry", [])
    if document:
        raise BddsegError(
            f"{path}: unknown key '{next(iter(document))}'; a catalog holds [base.NAME] and "
            "[[entry]] tables.",
            "Correct that key.",
        )
    return [_complete_entry(table, bases, path) for table in tables]


def _complete_entry(table: Mapping[str, Any], bases: Mapping[str, Any], path: Path) -> Entry:
    name = str(table.get("name", "an entry without a name"))
    origin = f"{path}, entry {name}"
    whole = _extend(table, bases, origin, ())
    return parse_entry(_fill_name(whole, name), origin, path.parent)


def _extend(
    table: Mapping[str, Any], bases: Mapping[str, Any], origin: str, seen: tuple[str, ...]
) -> dict[str, Any]:
    base = table.get("extends")
    own = {key: value for key, value in table.items() if key != "extends"}
    if base is None:
        return own
    if base not in bases or base in seen:
        cause = "extends itself" if base in seen else "does not exist"
        raise BddsegError(f"{origin}: the base '{base}' {cause}.", f"Bases: {', '.join(bases)}.")
    return _merge(_extend(bases[base], bases, origin, (*seen, base)), own)


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
    """Return the entries of all catalogs, ours first, each in its catalog's order.

    A catalog that does not load costs a warning, and so does a name that is taken already.
    """
    entries: dict[str, Entry] = {}
    for package, entry in _read_catalogs():
        if entry.name in entries:
            warnings.warn(
                f"Package {package} has an entry '{entry.name}', which another catalog has too; "
                "it is passed over.",
                BddsegWarning,
                stacklevel=2,
            )
        entries.setdefault(entry.name, entry)
    return tuple(entries.values())


def _read_catalogs() -> Iterator[tuple[str, Entry]]:
    for name in CATALOGS.list_names():
        package = CATALOGS.get_package(name)
        try:
            entries = read_catalog(Path(CATALOGS.load(name)))
        except BddsegError as error:
            message = f"The catalog of package {package} is left out. {error}"
            warnings.warn(message, BddsegWarning, stacklevel=3)
        else:
            yield from ((package, entry) for entry in entries)


def find_entry(model: str) -> Entry:
    """Return the entry that a MODEL argument means.

    Args:
        model: an entry's name or short name, or the path of an entry's TOML file.

    Raises:
        BddsegError: no entry has that name (it offers the three nearest), or the file is wrong.
    """
    if model.endswith(".toml"):
        return read_entry(Path(model))
    for entry in list_entries():
        if model in (entry.name, entry.short_name):
            return entry
    names = [entry.short_name for entry in list_entries()]
    raise unknown_name("model", model, names, "`bddseg zoo list` shows all models.")

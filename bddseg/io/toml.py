"""TOML files of named tables that inherit from each other: catalogs, recipes."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from bddseg.errors import BddsegError
from bddseg.io.read import read_file

T = TypeVar("T")

# Levels of tables and lists in a file; entries need about five.
_DEEPEST = 50
# Characters of a table's name in errors; names of files end at 255.
_LONGEST_NAME = 128
_UNKNOWN_KEY = re.compile(r"unknown field `(?P<key>.*?)`(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)


class NamedTable(NamedTuple):
    """A table of a file, complete.

    Attributes:
        origin: File and name of the table, for errors.
        content: Its values, with those of its bases.
    """

    origin: str
    content: dict[str, Any]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        BddsegError: it cannot be read, is not TOML, or is nested too deeply.
    """
    content = read_file(path)
    try:
        document = tomllib.loads(content.decode())
        check_depth(document)
        return document
    except RecursionError:
        cause = "its values are nested too deeply"
    # Syntax, bytes that are no UTF-8, or a number of thousands of digits.
    except ValueError as error:
        cause = str(error)
    raise BddsegError(f"{path} is not valid TOML: {cause}.", "Correct the file.")


def check_depth(document: Any, levels: int = _DEEPEST) -> None:
    """Check that tables and lists are not nested so deeply that walking them would fail.

    Raises:
        ValueError: they are.
    """
    if not levels:
        raise ValueError(f"more than {_DEEPEST} tables are nested")
    inner = document.values() if isinstance(document, dict) else document
    for each in inner if isinstance(document, dict | list) else ():
        check_depth(each, levels - 1)


def read_tables(path: Path, kind: str, hint: str) -> list[NamedTable]:
    """Return the tables of a file that has `[[kind]]` tables and `[base.NAME]` tables.

    A table inherits from a base with `extends = "NAME"`, as a base can: tables are merged, and
    other values are replaced. `{name}` in a string is replaced by the table's name.

    Args:
        path: The file.
        kind: Key of the tables, such as "entry".
        hint: What an error about a key says next.

    Raises:
        BddsegError: the file is invalid; the message names file and key.
    """
    tables = list[dict[str, Any]]
    bases = dict[str, dict[str, Any]]
    fields: list[tuple[str, Any, Any]] = [("base", bases, bases()), (kind, tables, tables())]
    layout = msgspec.defstruct("Tables", fields, forbid_unknown_fields=True)
    document: Any = convert(read_toml(path), layout, str(path), hint)
    found = []
    for table in getattr(document, kind):
        article = "an" if kind[0] in "aeiou" else "a"
        name = str(table.get("name", f"{article} {kind} without a name"))[:_LONGEST_NAME]
        origin = f"{path}, {kind} {name}"
        merged = _extend(table, document.base, origin)
        found.append(NamedTable(origin, _fill_name(merged, name)))
    return found


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
        merged = merge(merged, each)
    merged.pop("extends", None)
    return merged


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with the values of another one put into it, inner tables alike."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _fill_name(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value.replace("{name}", name)
    if isinstance(value, Mapping):
        return {key: _fill_name(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_name(item, name) for item in value]
    return value


def convert(table: Mapping[str, Any], kind: type[T], origin: str, hint: str) -> T:
    """Return a table as a struct.

    Args:
        table: Content of the table.
        kind: Class of the struct.
        origin: Where the table is, for errors.
        hint: What the error says next; for an unknown key, the nearest ones come first.

    Raises:
        BddsegError: a key is unknown or missing, or has a value that it cannot have.
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        text = str(error).replace("`$.", "`")
        unknown = _UNKNOWN_KEY.search(str(error))
        nearest = _find_nearest(kind, unknown["path"] or "", unknown["key"]) if unknown else ""
        raise BddsegError(f"{origin}: {text}.", f"{nearest}{hint}") from error


def _find_nearest(kind: Any, path: str, key: str) -> str:
    """Return which key is meant by one that the struct at a path does not have, as a sentence.

    It is one of that name elsewhere, or the one that is spelled most like it.
    """
    # Imported here: it takes milliseconds, and is for errors only.
    from difflib import get_close_matches

    keys = [*_list_keys(msgspec.inspect.type_info(kind))]
    prefix = f"{path}." if path else ""
    elsewhere = [each for each in keys if each.rpartition(".")[2] == key]
    siblings = [each for each in keys if each.rpartition(".")[0] == path]
    nearest = elsewhere or get_close_matches(prefix + key, siblings, n=1, cutoff=0.0)
    return f"Did you mean {nearest[0]}? " if nearest else ""


def _list_keys(kind: Any, prefix: str = "") -> Iterator[str]:
    """Yield the keys of a struct's type, and those of the structs in it as "table.key"."""
    for field in getattr(kind, "fields", ()):
        yield prefix + field.encode_name
        for each in getattr(field.type, "types", (field.type,)):
            yield from _list_keys(each, f"{prefix}{field.encode_name}.")


def format_toml(content: msgspec.Struct, *, with_empty: bool = False) -> str:
    """Return a struct as TOML, without what is None: TOML has no null.

    Args:
        content: The struct.
        with_empty: Also write empty values; where they are the defaults, they say nothing.
    """
    import tomli_w

    dropped: tuple[Any, ...] = (None,) if with_empty else (None, "", [], (), {})
    return tomli_w.dumps(_drop(msgspec.to_builtins(content), dropped))


def _drop(table: dict[str, Any], dropped: tuple[Any, ...]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        short = _drop(value, dropped) if isinstance(value, dict) else value
        if short not in dropped:
            kept[key] = list(short) if isinstance(short, tuple) else short
    return kept

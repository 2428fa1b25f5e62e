"""Names in options: completed in the shell and checked, without importing what they stand for."""

import warnings
from typing import Any

import typer

from bddseg.errors import unknown_name
from bddseg.registry import Registry


def list_names(group: str) -> list[str]:
    """Return the names that are registered in an entry-point group."""
    with warnings.catch_warnings():
        # Warnings about broken plugins would be printed into a command line being completed.
        warnings.simplefilter("ignore")
        return Registry[Any](group, "").list_names()


def complete_model(incomplete: str) -> list[tuple[str, str]]:
    """Return the short names of models that start so, each with its title and task."""
    from bddseg.zoo.catalog import list_entries

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entries = list_entries()
    return [
        (entry.short_name, f"{entry.title}, {entry.task}")
        for entry in entries
        if entry.short_name.startswith(incomplete)
    ]


class RegisteredNames:
    """The names of an entry-point group, as values of an option.

    Args:
        group: Entry-point group, such as "bddseg.tasks".
        kind: What a user calls such an object, such as "task".
        separator: What separates names in an option that takes several; empty if it takes one.
        further: Values that are no names, such as "all".
    """

    def __init__(
        self, group: str, kind: str, *, separator: str = "", further: tuple[str, ...] = ()
    ) -> None:
        self._group = group
        self._kind = kind
        self._separator = separator
        self._further = further

    def complete(self, incomplete: str) -> list[str]:
        """Return the names that start so; of several, the last one is completed."""
        split = incomplete.rpartition(self._separator) if self._separator else ("", "", incomplete)
        before, separator, last = split
        names = [name for name in self._list() if name.startswith(last)]
        return [before + separator + name for name in names]

    def check(self, value: Any) -> Any:
        """Return the value of an option, or the list of its names if it takes several.

        Raises:
            typer.BadParameter: a name is unknown; the exit code is 2.
        """
        if not value:
            return value
        names = [value]
        if self._separator:
            names = [name.strip() for each in value for name in each.split(self._separator)]
        known = self._list()
        for name in names:
            if name not in known:
                raise typer.BadParameter(str(unknown_name(self._kind, name, known)))
        return names if self._separator else value

    def _list(self) -> list[str]:
        return [*list_names(self._group), *self._further]

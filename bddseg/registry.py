"""Names that installed packages add: one registry for each entry-point group."""

from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from bddseg.errors import BddsegError, unknown_name

T = TypeVar("T")

_OURS = "bddseg"


class Registry(Generic[T]):
    """The objects that packages offer under one entry-point group, ours and plugins' alike.

    Names are read from package metadata, so listing imports nothing; an object's module is
    imported when the object is asked for.

    Args:
        group: the entry-point group, such as "bddseg.architectures".
        kind: what a user calls such an object, such as "architecture".
    """

    def __init__(self, group: str, kind: str) -> None:
        self.group = group
        self.kind = kind

    @cached_property
    def _offers(self) -> dict[str, list[EntryPoint]]:
        offers: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            offers.setdefault(point.name, []).append(point)
        return offers

    def list_names(self) -> list[str]:
        """Return the names on offer: ours first, then those of plugins, each group sorted."""
        return sorted(self._offers, key=lambda name: (not self._find_ours(name), name))

    def load(self, name: str) -> T:
        """Return the object of that name, importing its module.

        Raises:
            BddsegError: there is no such name, two plugins offer it, or its package does not load.
        """
        if name not in self._offers:
            hint = "bddseg finds what is installed beside it: is the plugin's package installed?"
            raise unknown_name(self.kind, name, self._offers, hint)
        point = self._choose(name)
        try:
            return cast(T, point.load())
        # A plugin is foreign code: whatever it raises, the user is told whose it is.
        except Exception as error:
            raise BddsegError(
                f"The {self.kind} '{name}' of package {get_package(point)} does not load "
                f"({point.value}): {type(error).__name__}: {error}",
                f"Update or remove that package: pip uninstall {get_package(point)}",
            ) from error

    def get_package(self, name: str) -> str:
        """Return the package that brings the object of that name."""
        return get_package(self._choose(name))

    def _choose(self, name: str) -> EntryPoint:
        offers = self._find_ours(name) or self._offers[name]
        if len(offers) == 1:
            return offers[0]
        packages = sorted(get_package(point) for point in offers)
        raise BddsegError(
            f"The {self.kind} '{name}' is offered by several packages: {', '.join(packages)}.",
            f"Keep one of them: pip uninstall {packages[-1]}",
        )

    def _find_ours(self, name: str) -> list[EntryPoint]:
        return [point for point in self._offers[name] if get_package(point) == _OURS]


def get_package(point: EntryPoint) -> str:
    """Return the name of the package that an entry point belongs to."""
    return point.dist.name if point.dist else "unknown"

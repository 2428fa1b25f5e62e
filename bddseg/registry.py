"""Names that installed packages add: one registry for each entry-point group."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, Generic, TypeVar, cast

from bddseg.errors import BddsegError, BddsegWarning, unknown_name

T = TypeVar("T")

_OURS = "bddseg"


@dataclass(frozen=True, slots=True)
class Offer:
    """A name that a package adds.

    Attributes:
        name: of the object.
        package: that brings it.
        version: of the package.
        problem: why it cannot be had, as far as is known without importing it; empty if it can.
    """

    name: str
    package: str
    version: str
    problem: str


class Registry(Generic[T]):
    """The objects that packages offer under one entry-point group, ours and plugins' alike.

    Names are read from package metadata, so listing imports nothing; an object's module is
    imported when the object is asked for. A plugin that offers a name of ours is passed over, with
    a warning.

    Args:
        group: the entry-point group, such as "bddseg.architectures".
        kind: what a user calls such an object, such as "architecture".
        check: raises TypeError for an object that cannot be one.
        taken: names that are not a plugin's to offer, beside those of our own entry points.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        *,
        check: Callable[[Any], None] | None = None,
        taken: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.group = group
        self.kind = kind
        self._check = check
        self._taken = taken

    @cached_property
    def _points(self) -> dict[str, list[EntryPoint]]:
        """Entry points by name: ours alone, or those of all plugins that offer it."""
        points: dict[str, list[EntryPoint]] = {}
        for point in self._all:
            points.setdefault(point.name, []).append(point)
        for name, offers in points.items():
            ours = [point for point in offers if _get_package(point) == _OURS]
            if ours or name in self._taken():
                self._warn_of_thieves(name, [point for point in offers if point not in ours])
            points[name] = ours or offers
        return {name: offers for name, offers in points.items() if name not in self._taken()}

    def _warn_of_thieves(self, name: str, thieves: Sequence[EntryPoint]) -> None:
        for point in thieves:
            text = f"Package {_get_package(point)} is passed over: {self._explain_theft(name)}."
            warnings.warn(text, BddsegWarning, stacklevel=4)

    def list_names(self) -> list[str]:
        """Return the names on offer: ours first, then those of plugins, each group sorted."""
        return sorted(self._points, key=lambda name: (self.get_package(name) != _OURS, name))

    def list_offers(self) -> list[Offer]:
        """Return what plugins offer, whether or not it can be had."""
        points = [point for point in self._all if _get_package(point) != _OURS]
        return [
            Offer(
                point.name,
                _get_package(point),
                point.dist.version if point.dist else "",
                self._find_problem(point),
            )
            for point in sorted(points, key=lambda point: (_get_package(point), point.name))
        ]

    def load(self, name: str) -> T:
        """Return the object of that name, importing its module.

        Raises:
            BddsegError: there is no such name, two plugins offer it, or its package does not load,
                was made for another version, or offers something else.
        """
        if name not in self._points:
            hint = "bddseg finds what is installed beside it: is the plugin's package installed?"
            raise unknown_name(self.kind, name, self._points, hint)
        point = self._points[name][0]
        package = _get_package(point)
        problem = "" if package == _OURS else self._find_problem(point)
        cause: Exception | None = None
        if not problem:
            try:
                found = point.load()
                if self._check:
                    self._check(found)
                return cast(T, found)
            # A plugin is foreign code: whatever it raises, the user is told whose it is.
            except Exception as error:
                problem, cause = f"{point.value}: {type(error).__name__}: {error}", error
        raise BddsegError(
            f"The {self.kind} '{name}' of package {package} does not load ({problem}).",
            f"Update or remove that package: pip uninstall {package}",
        ) from cause

    def get_package(self, name: str) -> str:
        """Return the package that brings the object of that name."""
        return _get_package(self._points[name][0])

    @cached_property
    def _all(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))

    def _find_problem(self, point: EntryPoint) -> str:
        same = [_get_package(other) for other in self._all if other.name == point.name]
        if _OURS in same or point.name in self._taken():
            return self._explain_theft(point.name)
        if len(same) > 1:
            return f"several packages offer it: {', '.join(sorted(same))}"
        return _find_version_problem(point)

    def _explain_theft(self, name: str) -> str:
        return f"the {self.kind} '{name}' is {_OURS}'s own, and cannot be replaced"


def _get_package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _find_version_problem(point: EntryPoint) -> str:
    """Say so if a package was made for another version of ours."""
    # Imported here: plugins alone need it.
    from packaging.requirements import Requirement

    for text in (point.dist.requires if point.dist else None) or []:
        wanted = Requirement(text)
        ours = version(_OURS)
        if wanted.name == _OURS and not wanted.specifier.contains(ours, prereleases=True):
            return f"it was made for {_OURS} {wanted.specifier}, and this is {ours}"
    return ""

"""Names that installed packages register: one registry for each entry-point group."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, Generic, TypeVar, cast

from bddseg.errors import BddsegError, BddsegWarning, unknown_name

T = TypeVar("T")

_OWN_PACKAGE = "bddseg"


@dataclass(frozen=True, slots=True)
class Registration:
    """A name that a package registers.

    Attributes:
        name: Name of the object.
        package: Name of the package.
        version: Version of the package.
        problem: Why it cannot be used, as far as is known without importing it; empty if it can.
    """

    name: str
    package: str
    version: str
    problem: str


class Registry(Generic[T]):
    """The objects that packages register in one entry-point group, built-in and of plugins alike.

    Names are read from package metadata, so listing imports nothing; an object's module is
    imported when the object is loaded. A plugin that registers a built-in name is ignored, with a
    warning.

    Args:
        group: Entry-point group, such as "bddseg.architectures".
        kind: What a user calls such an object, such as "architecture".
        check: Raises TypeError for an object that cannot be one.
        reserved: Names that a plugin cannot register, in addition to the built-in entry points.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        *,
        check: Callable[[Any], None] | None = None,
        reserved: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.group = group
        self.kind = kind
        self._check = check
        self._reserved = reserved
        self._loaded: dict[str, T] = {}

    @cached_property
    def _points(self) -> dict[str, list[EntryPoint]]:
        """Entry points by name: the built-in one alone, or those of all plugins."""
        by_name: dict[str, list[EntryPoint]] = {}
        for point in self._all:
            by_name.setdefault(point.name, []).append(point)
        usable: dict[str, list[EntryPoint]] = {}
        for name, points in by_name.items():
            built_in = [point for point in points if _get_package(point) == _OWN_PACKAGE]
            if built_in or name in self._reserved():
                self._warn_of_clashes(name, points)
            if name not in self._reserved():
                usable[name] = built_in or points
        return usable

    def _warn_of_clashes(self, name: str, points: list[EntryPoint]) -> None:
        for package in map(_get_package, points):
            if package != _OWN_PACKAGE:
                text = f"Package {package} is ignored: {self._describe_clash(name)}."
                warnings.warn(text, BddsegWarning, stacklevel=4)

    def list_names(self) -> list[str]:
        """Return the registered names: built-in ones first, then plugins', each sorted."""
        return sorted(self._points, key=lambda name: (self.get_package(name) != _OWN_PACKAGE, name))

    def list_registrations(self) -> list[Registration]:
        """Return what plugins register, usable or not."""
        points = [point for point in self._all if _get_package(point) != _OWN_PACKAGE]
        return [
            Registration(
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
            BddsegError: there is no such name, two plugins register it, or its package does not
                load, was made for another version, or registers something else.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name not in self._points:
            raise unknown_name(
                self.kind, name, self._points, f"Is the plugin that adds the {self.kind} installed?"
            )
        point = self._points[name][0]
        package = _get_package(point)
        problem = "" if package == _OWN_PACKAGE else self._find_problem(point)
        cause: Exception | None = None
        if not problem:
            try:
                found = point.load()
                if self._check:
                    self._check(found)
                self._loaded[name] = cast(T, found)
                return self._loaded[name]
            # A plugin is foreign code: whatever it raises, the user is told whose it is.
            except Exception as error:
                problem, cause = f"{point.value}: {type(error).__name__}: {error}", error
        raise BddsegError(
            f"The {self.kind} '{name}' of package {package} does not load ({problem}).",
            f"Update or remove that package: pip uninstall {package}",
        ) from cause

    def get_package(self, name: str) -> str:
        """Return the name of the package that registers a name."""
        return _get_package(self._points[name][0])

    @cached_property
    def _all(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))

    def _find_problem(self, point: EntryPoint) -> str:
        same = [_get_package(other) for other in self._all if other.name == point.name]
        if _OWN_PACKAGE in same or point.name in self._reserved():
            return self._describe_clash(point.name)
        if len(same) > 1:
            return f"several packages register it: {', '.join(sorted(same))}"
        return _find_version_problem(point)

    def _describe_clash(self, name: str) -> str:
        return f"the {self.kind} '{name}' is built in and cannot be replaced"


def require_class(*members: str) -> Callable[[Any], None]:
    """Return a check for a registry: that an object is a class with these members."""

    def check(candidate: Any) -> None:
        if not isinstance(candidate, type):
            raise TypeError(f"expected a class, got {type(candidate).__name__}")
        missing = [member for member in members if not hasattr(candidate, member)]
        if missing:
            raise TypeError(f"the class {candidate.__name__} has no {', '.join(missing)}")

    return check


def _get_package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _find_version_problem(point: EntryPoint) -> str:
    """Return how a package's requirement differs from this version; empty if it does not."""
    # Imported here: only plugins need it.
    from packaging.requirements import Requirement

    for text in (point.dist.requires if point.dist else None) or []:
        wanted = Requirement(text)
        own = version(_OWN_PACKAGE)
        if wanted.name == _OWN_PACKAGE and not wanted.specifier.contains(own, prereleases=True):
            return f"it was made for {_OWN_PACKAGE} {wanted.specifier}, and this is {own}"
    return ""

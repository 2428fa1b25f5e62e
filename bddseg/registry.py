"""Names that installed packages register: one registry for each entry-point group."""

import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import cached_property
from importlib.metadata import EntryPoint, distributions, entry_points, version
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from bddseg.errors import BddsegError, BddsegWarning, unknown_name

T = TypeVar("T")

_OWN_PACKAGE = "bddseg"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


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
    def _all(self) -> list[EntryPoint]:
        return _list_points(self.group)

    @cached_property
    def _usable(self) -> dict[str, EntryPoint]:
        """The entry point of each name: the built-in one, or that of a plugin."""
        usable: dict[str, EntryPoint] = {}
        # Built-in ones come first.
        for point in sorted(self._all, key=lambda point: get_package(point) != _OWN_PACKAGE):
            usable.setdefault(point.name, point)
        for point in self.list_plugins():
            if self._is_built_in(point.name):
                text = f"Package {get_package(point)} is ignored: {self.find_problem(point)}."
                warnings.warn(text, BddsegWarning, stacklevel=4)
        reserved = self._reserved()
        return {
            name: point
            for name, point in usable.items()
            if name not in reserved and _NAME.fullmatch(name)
        }

    def list_names(self) -> list[str]:
        """Return the registered names: built-in ones first, then plugins', each sorted."""
        return sorted(self._usable, key=lambda name: (not self._is_built_in(name), name))

    def list_plugins(self) -> list[EntryPoint]:
        """Return what plugins register, usable or not, sorted by package and name."""
        plugins = [point for point in self._all if get_package(point) != _OWN_PACKAGE]
        return sorted(plugins, key=lambda point: (get_package(point), point.name))

    def load(self, name: str) -> T:
        """Return the object of that name, importing its module.

        Raises:
            BddsegError: there is no such name, two plugins register it, or its package does not
                load, was made for another version, or registers something else.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name not in self._usable:
            raise unknown_name(
                self.kind, name, self._usable, f"Is the plugin that adds the {self.kind} installed?"
            )
        point = self._usable[name]
        package = get_package(point)
        problem = "" if package == _OWN_PACKAGE else self.find_problem(point)
        cause: BaseException | None = None
        if not problem:
            try:
                # What a module prints on import does not belong to a command's output.
                with redirect_stdout(sys.stderr):
                    found = point.load()
                if self._check:
                    self._check(found)
                self._loaded[name] = cast(T, found)
                return self._loaded[name]
            # A plugin is foreign code: whatever it raises, the user is told whose it is.
            except (Exception, SystemExit) as error:
                problem, cause = f"{point.value}: {type(error).__name__}: {error}", error
        raise BddsegError(
            f"The {self.kind} '{name}' of package {package} does not load ({problem}).",
            f"Update or remove that package: pip uninstall {package}",
        ) from cause

    def get_package(self, name: str) -> str:
        """Return the name of the package that registers a name."""
        return get_package(self._usable[name])

    def get_module(self, name: str) -> str:
        """Return the name of the module that holds the object of a name."""
        return self._usable[name].module

    def find_problem(self, plugin: EntryPoint) -> str:
        """Return why a plugin's object cannot be used, without importing it; empty if it can."""
        if self._is_built_in(plugin.name):
            return f"the {self.kind} '{plugin.name}' is built in and cannot be replaced"
        if not _NAME.fullmatch(plugin.name):
            return f"'{plugin.name}' is not a valid name"
        same = [get_package(point) for point in self._all if point.name == plugin.name]
        if len(same) > 1:
            return f"several packages register it: {', '.join(sorted(same))}"
        return _find_version_problem(plugin)

    def _is_built_in(self, name: str) -> bool:
        own = (point for point in self._all if get_package(point) == _OWN_PACKAGE)
        return name in self._reserved() or any(point.name == name for point in own)


def require_class(*members: str) -> Callable[[Any], None]:
    """Return a check for a registry: that an object is a class with these members."""

    def check(candidate: Any) -> None:
        if not isinstance(candidate, type):
            raise TypeError(f"expected a class, got {type(candidate).__name__}")
        missing = [member for member in members if not hasattr(candidate, member)]
        if missing:
            raise TypeError(f"the class {candidate.__name__} has no {', '.join(missing)}")

    return check


def require_toml_path(candidate: Any) -> None:
    """Check for a registry of files: raise TypeError for what is not a path."""
    if not isinstance(candidate, str | Path):
        raise TypeError(f"expected the path of a TOML file, got {type(candidate).__name__}")


class Named(Protocol):
    """Something with a name, such as an entry of a catalog."""

    @property
    def name(self) -> str:  # noqa: D102
        ...


N = TypeVar("N", bound=Named)


def read_files(
    files: Registry[str | Path], read: Callable[[Path], Sequence[N]], kind: str
) -> list[N]:
    """Return what all files of a registry list, built-in ones first, in the order of each file.

    A file that does not load and an object with a used name are ignored, with a warning.

    Args:
        files: The registry.
        read: Returns the objects in a file.
        kind: What a user calls such an object, such as "entry".
    """
    found: dict[str, N] = {}
    for file in files.list_names():
        package = files.get_package(file)
        try:
            listed = read(Path(files.load(file)))
        except BddsegError as error:
            _warn(f"The {files.kind} of package {package} is ignored. {error}")
            continue
        for each in listed:
            if found.setdefault(each.name, each) is not each:
                _warn(
                    f"The {kind} '{each.name}' of package {package} is ignored: another "
                    f"{files.kind} has one of that name."
                )
    return list(found.values())


def _warn(text: str) -> None:
    warnings.warn(text, BddsegWarning, stacklevel=4)


def get_package(point: EntryPoint) -> str:
    """Return the name of the package that registers an entry point."""
    try:
        return point.dist.name if point.dist else "unknown"
    # Its metadata are damaged.
    except Exception:
        return "unknown"


def _list_points(group: str) -> list[EntryPoint]:
    try:
        return list(entry_points(group=group))
    # One package with damaged metadata must not hide all others.
    except Exception:
        points: list[EntryPoint] = []
        for package in distributions():
            try:
                points += package.entry_points.select(group=group)
            except Exception as error:
                text = f"The entry points of {package} are ignored: {error}."
                warnings.warn(text, BddsegWarning, stacklevel=2)
        return points


def _find_version_problem(point: EntryPoint) -> str:
    """Return how a package's requirement differs from this version; empty if it does not."""
    # Imported here: only plugins need it.
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    own = version(_OWN_PACKAGE)
    try:
        for text in (point.dist.requires if point.dist else None) or []:
            wanted = Requirement(text)
            applies = not wanted.marker or wanted.marker.evaluate({"extra": ""})
            if canonicalize_name(wanted.name) != _OWN_PACKAGE or not applies:
                continue
            if not wanted.specifier.contains(own, prereleases=True):
                return f"it was made for {_OWN_PACKAGE} {wanted.specifier}, and this is {own}"
    # Requirements and markers that cannot be parsed, and damaged metadata.
    except Exception as error:
        return f"its requirements cannot be read: {error}"
    return ""

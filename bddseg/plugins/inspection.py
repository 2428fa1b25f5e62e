"""The installed plugins: what each adds, and whether it can be loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from bddseg.errors import BddsegError
from bddseg.registry import Registration, Registry
from bddseg.zoo.catalog import CATALOGS, read_catalog

# "module:attribute" of each registry; commands have theirs in the command line.
REGISTRIES = (
    "bddseg.models.build:ARCHITECTURES",
    "bddseg.models.backbones.backbone:BACKBONES",
    "bddseg.zoo.catalog:CATALOGS",
    "bddseg.tasks.task:TASKS",
    "bddseg.inference.runtimes.runtime:RUNTIMES",
    "bddseg.data.sources.source:SOURCES",
    "bddseg.inference.writers.writer:WRITERS",
    "bddseg.metrics.metric:METRICS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One object that a package adds.

    Attributes:
        package: Name of the package.
        version: Version of the package.
        kind: Kind of object, such as "architecture".
        name: Name of the object.
        entries: Names of the models, of a catalog.
        problem: Why it cannot be loaded; empty if it can.
    """

    package: str
    version: str
    kind: str
    name: str
    entries: tuple[str, ...] = ()
    problem: str = ""


def load_registries() -> list[Registry[Any]]:
    """Return all registries, except the one of commands."""
    return [
        cast(Registry[Any], getattr(import_module(module), attribute))
        for module, _, attribute in (target.partition(":") for target in REGISTRIES)
    ]


def list_additions(registries: Sequence[Registry[Any]]) -> list[Addition]:
    """Return what all installed plugins add; everything is imported, to see whether it loads."""
    return sorted(
        (
            _inspect(registry, registration)
            for registry in registries
            for registration in registry.list_registrations()
        ),
        key=lambda each: (each.package, each.kind, each.name),
    )


def _inspect(registry: Registry[Any], registration: Registration) -> Addition:
    entries: tuple[str, ...] = ()
    problem = registration.problem
    if not problem:
        try:
            loaded = registry.load(registration.name)
            if registry is CATALOGS:
                entries = tuple(entry.name for entry in read_catalog(Path(loaded)))
        except BddsegError as error:
            problem = error.message
    return Addition(
        package=registration.package,
        version=registration.version,
        kind=registry.kind,
        name=registration.name,
        entries=entries,
        problem=problem,
    )

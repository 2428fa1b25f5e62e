"""The installed plugins: what each adds, and whether it can be loaded."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple, cast

from bddseg.errors import BddsegError
from bddseg.registry import Registry, get_package
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
    "bddseg.models.losses:LOSSES",
)


class Addition(NamedTuple):
    """One object that a package adds.

    Attributes:
        package, version: Name and version of the package.
        kind, name: Kind of object, such as "architecture", and its name.
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
    additions = [
        _inspect(registry, plugin) for registry in registries for plugin in registry.list_plugins()
    ]
    return sorted(additions, key=lambda each: (each.package, each.kind, each.name))


def _inspect(registry: Registry[Any], plugin: EntryPoint) -> Addition:
    entries: tuple[str, ...] = ()
    problem = registry.find_problem(plugin)
    try:
        loaded = None if problem else registry.load(plugin.name)
        if loaded and registry is CATALOGS:
            entries = tuple(entry.name for entry in read_catalog(Path(loaded)))
    except BddsegError as error:
        problem = error.message
    try:
        version = plugin.dist.version if plugin.dist else ""
    # Its metadata are damaged.
    except Exception:
        version = ""
    return Addition(get_package(plugin), version, registry.kind, plugin.name, entries, problem)

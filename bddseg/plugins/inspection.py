"""What plugins are installed, what each adds, and whether that can be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bddseg.errors import BddsegError
from bddseg.registry import Offer, Registry
from bddseg.zoo.catalog import CATALOGS, read_catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One thing that a package adds.

    Attributes:
        package: that brings it.
        version: of the package.
        kind: "architecture", "catalog" or "command".
        name: of the thing.
        entries: of a catalog, the names of its models.
        problem: why it cannot be had; empty if it can.
    """

    package: str
    version: str
    kind: str
    name: str
    entries: tuple[str, ...] = ()
    problem: str = ""


def list_additions(registries: Sequence[Registry[Any]]) -> list[Addition]:
    """Return what all installed plugins add. Everything is imported, to see if that works."""
    return sorted(
        (_inspect(registry, offer) for registry in registries for offer in registry.list_offers()),
        key=lambda each: (each.package, each.kind, each.name),
    )


def _inspect(registry: Registry[Any], offer: Offer) -> Addition:
    entries: tuple[str, ...] = ()
    problem = offer.problem
    if not problem:
        try:
            found = registry.load(offer.name)
            if registry is CATALOGS:
                entries = tuple(entry.name for entry in read_catalog(Path(found)))
        except BddsegError as error:
            problem = error.message
    return Addition(
        package=offer.package,
        version=offer.version,
        kind=registry.kind,
        name=offer.name,
        entries=entries,
        problem=problem,
    )

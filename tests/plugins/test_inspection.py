import tomllib
from pathlib import Path

from bddseg.cli.commands import COMMANDS
from bddseg.plugins.inspection import load_registries

MANIFEST = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())


def test_every_entry_point_group_has_a_registry() -> None:
    groups = [registry.group for registry in [*load_registries(), COMMANDS]]
    assert len(groups) == len(set(groups))
    assert set(MANIFEST["project"]["entry-points"]) <= set(groups)


def test_the_page_on_plugins_lists_every_group_and_kind() -> None:
    import bddseg.plugins

    page = bddseg.plugins.__doc__ or ""
    for registry in [*load_registries(), COMMANDS]:
        assert f"`{registry.group}` |" in page

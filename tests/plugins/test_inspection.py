import tomllib
from pathlib import Path

from bddseg.cli.commands import COMMANDS
from bddseg.plugins.inspection import load_registries

ROOT = Path(__file__).parents[2]
MANIFEST = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_entry_point_group_has_a_registry() -> None:
    groups = [registry.group for registry in [*load_registries(), COMMANDS]]
    assert len(groups) == len(set(groups))
    assert set(MANIFEST["project"]["entry-points"]) <= set(groups)


def test_the_page_on_plugins_lists_every_group_and_kind() -> None:
    page = (ROOT / "plugins" / "README.md").read_text()
    for registry in [*load_registries(), COMMANDS]:
        assert f"`{registry.group}` |" in page

import subprocess
import sys
from pathlib import Path

import pytest

from bddseg.errors import BddsegError
from bddseg.registry import Registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a package's metadata and module importable: install(package, module, entry points)."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package: str, code: str, points: str) -> None:
        (tmp_path / f"{package}_module.py").write_text(code)
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(points)

    return install


def architectures():
    return Registry("bddseg.architectures", "architecture")


def test_ours_come_first(install):
    install("aaa", "", "[bddseg.architectures]\naaa = aaa_module:build\n")
    names = architectures().list_names()
    assert names.index("pspnet") < names.index("aaa")


def test_listing_imports_nothing(install):
    install("lazy", "raise SystemExit", "[bddseg.architectures]\nlazy = lazy_module:build\n")
    assert "lazy" in architectures().list_names()
    assert "lazy_module" not in sys.modules


def test_a_plugin_is_loaded_when_asked_for(install):
    install("good", "build = 5", "[bddseg.architectures]\ngood = good_module:build\n")
    assert architectures().load("good") == 5


@pytest.mark.parametrize("code", ["import nothing_of_that_name", "other = 1", "1 / 0"])
def test_a_broken_plugin_is_named_with_the_cause(install, code):
    package = f"broken{len(code)}"
    install(package, code, f"[bddseg.architectures]\nbroken = {package}_module:build\n")
    with pytest.raises(BddsegError, match=f"of package {package} does not load"):
        architectures().load("broken")


def test_a_plugin_cannot_take_the_name_of_one_of_ours(install):
    install("thief", "build_pspnet = 5", "[bddseg.architectures]\npspnet = thief_module:build\n")
    assert callable(architectures().load("pspnet"))


def test_a_name_that_two_plugins_offer_is_an_error_that_names_both(install):
    for package in ("one", "two"):
        install(package, "build = 5", f"[bddseg.architectures]\nsame = {package}_module:build\n")
    with pytest.raises(BddsegError, match="several packages: one, two"):
        architectures().load("same")


def test_a_broken_catalog_costs_a_warning_and_no_more(install, tmp_path):
    install(
        "shelf", "CATALOG = 'nowhere.toml'", "[bddseg.catalogs]\nshelf = shelf_module:CATALOG\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "bddseg", "zoo", "list"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": str(Path(sys.executable).parent)},
        check=True,
    )
    assert "dnl_r101-d8_512x1024_80k" in result.stdout
    assert "Warning" in result.stderr
    assert "shelf" in result.stderr

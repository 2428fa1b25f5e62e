import sys
from functools import partial

import pytest
from conftest import install_stub

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.registry import Registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a package importable: install(package, code, entry points, what it requires)."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return partial(install_stub, tmp_path)


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


@pytest.mark.filterwarnings("ignore::bddseg.errors.BddsegWarning")
def test_a_plugin_cannot_take_the_name_of_one_of_ours(install):
    install("thief", "build_pspnet = 5", "[bddseg.architectures]\npspnet = thief_module:build\n")
    assert callable(architectures().load("pspnet"))


def test_a_name_that_two_plugins_offer_is_an_error_that_names_both(install):
    for package in ("one", "two"):
        install(package, "build = 5", f"[bddseg.architectures]\nsame = {package}_module:build\n")
    with pytest.raises(BddsegError, match="several packages offer it: one, two"):
        architectures().load("same")


def test_a_package_for_another_version_is_not_loaded(install):
    points = "[bddseg.architectures]\nfuture = future_module:build\n"
    install("future", "build = 5", points, requires="bddseg>=9.0")
    with pytest.raises(BddsegError, match=r"made for bddseg >=9\.0, and this is 0\.1\.0"):
        architectures().load("future")


def test_a_package_for_this_version_is_loaded(install):
    points = "[bddseg.architectures]\nnow = now_module:build\n"
    install("now", "build = 5", points, requires='bddseg>=0.1,<0.2; python_version > "3"')
    assert architectures().load("now") == 5


def test_the_thief_of_a_name_is_named_once(install):
    install("thief", "build = 5", "[bddseg.architectures]\npspnet = thief_module:build\n")
    registry = architectures()
    with pytest.warns(BddsegWarning, match="Package thief is passed over") as caught:
        registry.list_names()
        registry.load("pspnet")
    assert len(caught) == 1

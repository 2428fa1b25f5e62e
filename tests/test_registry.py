import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import install_stub

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.registry import Registry

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a package importable: install(package, code, entry points, requirements)."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return partial(install_stub, tmp_path)


def make_registry() -> Registry[Any]:
    """Return a registry that has read nothing yet."""
    return Registry("bddseg.architectures", "architecture")


def test_built_in_names_come_first(install: Install) -> None:
    install("aaa", "", "[bddseg.architectures]\naaa = aaa_module:build\n")
    names = make_registry().list_names()
    assert names.index("pspnet") < names.index("aaa")


def test_listing_imports_nothing(install: Install) -> None:
    install("lazy", "raise SystemExit", "[bddseg.architectures]\nlazy = lazy_module:build\n")
    assert "lazy" in make_registry().list_names()
    assert "lazy_module" not in sys.modules


def test_an_object_is_loaded_on_use(install: Install) -> None:
    install("good", "build = 5", "[bddseg.architectures]\ngood = good_module:build\n")
    assert make_registry().load("good") == 5


@pytest.mark.parametrize(
    "code", ["import nothing_of_that_name", "other = 1", "1 / 0", "raise SystemExit", "exit(0)"]
)
def test_a_broken_plugin_is_named_with_the_cause(install: Install, code: str) -> None:
    package = f"broken{len(code)}"
    install(package, code, f"[bddseg.architectures]\nbroken = {package}_module:build\n")
    with pytest.raises(BddsegError, match=f"of package {package} does not load"):
        make_registry().load("broken")


@pytest.mark.filterwarnings("ignore::bddseg.errors.BddsegWarning")
def test_a_plugin_cannot_replace_a_built_in_name(install: Install) -> None:
    install("clash", "build = 5", "[bddseg.architectures]\npspnet = clash_module:build\n")
    assert callable(make_registry().load("pspnet"))


def test_a_name_that_two_plugins_register_is_an_error_that_names_both(install: Install) -> None:
    for package in ("one", "two"):
        install(package, "build = 5", f"[bddseg.architectures]\nsame = {package}_module:build\n")
    with pytest.raises(BddsegError, match="several packages register it: one, two"):
        make_registry().load("same")


def test_a_package_for_another_version_is_not_loaded(install: Install) -> None:
    points = "[bddseg.architectures]\nfuture = future_module:build\n"
    install("future", "build = 5", points, requires="BDDseg>=9.0")
    with pytest.raises(BddsegError, match=r"made for bddseg >=9\.0, and this is 0\.1\.0"):
        make_registry().load("future")


def test_a_package_for_this_version_is_loaded(install: Install) -> None:
    points = "[bddseg.architectures]\nnow = now_module:build\n"
    install("now", "build = 5", points, requires='bddseg>=0.1,<0.2; python_version > "3"')
    assert make_registry().load("now") == 5


def test_a_plugin_with_a_built_in_name_is_named_once(install: Install) -> None:
    install("clash", "build = 5", "[bddseg.architectures]\npspnet = clash_module:build\n")
    registry = make_registry()
    with pytest.warns(BddsegWarning, match="Package clash is ignored") as caught:
        registry.list_names()
        registry.load("pspnet")
    assert len(caught) == 1


def test_a_requirement_whose_marker_does_not_apply_is_ignored(install: Install) -> None:
    points = "[bddseg.architectures]\nmarked = marked_module:build\n"
    install("marked", "build = 5", points, requires='bddseg>=9.0; python_version < "3"')
    assert make_registry().load("marked") == 5


@pytest.mark.parametrize("requires", ["=!bddseg", "bddseg>>1", "x; nonsense == 1"])
def test_a_requirement_that_cannot_be_parsed_is_a_problem(install: Install, requires: str) -> None:
    points = "[bddseg.architectures]\nunclear = unclear_module:build\n"
    install("unclear", "build = 5", points, requires=requires)
    with pytest.raises(BddsegError, match="unclear does not load"):
        make_registry().load("unclear")


def test_what_a_module_prints_goes_to_stderr(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    points = "[bddseg.architectures]\nloud = loud_module:build\n"
    install("loud", "print('hello')\nbuild = 5", points)
    make_registry().load("loud")
    assert capsys.readouterr() == ("", "hello\n")


def test_names_that_are_options_or_contain_spaces_are_not_listed(install: Install) -> None:
    install("named", "build = 5", "[bddseg.architectures]\n--help = x:y\na b = x:y\nfine = x:y\n")
    registry = make_registry()
    names = registry.list_names()
    assert ("fine" in names, "--help" in names, "a b" in names) == (True, False, False)
    problems = {plugin.name: registry.find_problem(plugin) for plugin in registry.list_plugins()}
    assert problems["--help"] == "'--help' is not a valid name"


@pytest.mark.parametrize("content", [b"[bddseg.architectures]\nno equals sign\n", b"[x]\n\xff"])
def test_damaged_metadata_of_one_package_do_not_hide_the_others(
    install: Install, tmp_path: Path, content: bytes
) -> None:
    install("sound", "build = 5", "[bddseg.architectures]\nsound = sound_module:build\n")
    install("damaged", "", "")
    (tmp_path / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    with pytest.warns(BddsegWarning, match="entry points of .* are ignored"):
        names = make_registry().list_names()
    assert {"pspnet", "sound"} <= set(names)

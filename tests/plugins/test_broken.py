"""Broken plugins: each is named with its cause, and nothing else breaks."""

import json

import pytest
from conftest import install_stub

BAD_KEY = """
from pathlib import Path
CATALOG = Path(__file__).with_name("bad.toml")
"""
# Package: its code, its entry points, and what is said of it.
BROKEN = {
    "importless": (
        "import nothing_of_that_name",
        "[bddseg.architectures]\nimportless = importless_module:build\n",
        "No module named 'nothing_of_that_name'",
    ),
    "attributeless": (
        "other = 1",
        "[bddseg.commands]\nattributeless = attributeless_module:app\n",
        "has no attribute 'app'",
    ),
    "unsigned": (
        "def build(classes): ...",
        "[bddseg.architectures]\nunsigned = unsigned_module:build\n",
        "no parameter num_classes: (classes)",
    ),
    "thief": (
        "def build(*, num_classes): ...",
        "[bddseg.architectures]\npspnet = thief_module:build\n"
        "[bddseg.commands]\ninfer = thief_module:build\n"
        "[bddseg.catalogs]\ndrivable = thief_module:build\n",
        "is bddseg's own, and cannot be replaced",
    ),
    "twin_a": (
        "def build(*, num_classes): ...",
        "[bddseg.architectures]\ntwin = twin_a_module:build\n",
        "several packages offer it: twin_a, twin_b",
    ),
    "twin_b": (
        "def build(*, num_classes): ...",
        "[bddseg.architectures]\ntwin = twin_b_module:build\n",
        "several packages offer it: twin_a, twin_b",
    ),
    "miskeyed": (
        BAD_KEY,
        "[bddseg.catalogs]\nmiskeyed = miskeyed_module:CATALOG\n",
        "unknown field `colour`",
    ),
    "escaping": (
        BAD_KEY.replace("bad.toml", "escaping.toml"),
        "[bddseg.catalogs]\nescaping = escaping_module:CATALOG\n",
        "entry ../../evil: Expected `str` matching regex",
    ),
    "outdated": (
        "def build(*, num_classes): ...",
        "[bddseg.architectures]\noutdated = outdated_module:build\n",
        "made for bddseg <0.1, and this is 0.1.0",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All of them at once, and one that works."""
    folder = tmp_path_factory.mktemp("site")
    for package, (code, points, _) in BROKEN.items():
        requires = "bddseg<0.1" if package == "outdated" else ""
        install_stub(folder, package, code, points, requires)
    (folder / "bad.toml").write_text('[[entry]]\nname = "bad"\ncolour = "red"\n')
    (folder / "escaping.toml").write_text('[[entry]]\nname = "../../evil"\ntitle = "Evil"\n')
    install_stub(
        folder,
        "working",
        "def greet(name: str) -> None:\n    '''Say hello.'''\n    print('Hello', name)\n",
        "[bddseg.commands]\ngreet = working_module:greet\n",
    )
    return folder


def test_each_is_named_with_its_cause(folder, run_installed):
    result = run_installed(folder, "-m", "bddseg", "plugins", "list", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["plugins"]
    problems = {}
    for each in found:
        if each["state"] == "broken":
            problems.setdefault(each["package"], []).append(each["problem"])
    assert set(problems) == set(BROKEN)
    for package, (_, points, said) in BROKEN.items():
        assert len(problems[package]) == points.count(" = ")
        for problem in problems[package]:
            assert said in problem
    assert {each["package"] for each in found if each["state"] == "ok"} >= {"working"}
    table = run_installed(folder, "-m", "bddseg", "plugins", "list")
    for package, (_, _, said) in BROKEN.items():
        assert package in table.stdout
        assert said in table.stderr


def test_help_shows_all_commands_and_imports_none(folder, run_installed):
    code = (
        "import sys\nfrom bddseg.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.endswith('_module')])"
    )
    result = run_installed(folder, "-c", code)
    assert result.stdout.endswith("[]\n")
    for name in ("infer", "zoo", "eval", "greet", "attributeless"):
        assert f" {name} " in result.stdout
    assert "From package working." in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["zoo", "list"],
        ["zoo", "show", "pspnet_r50-d8_512x1024_40k"],
        ["infer", "--help"],
        ["eval", "--help"],
        ["vis", "sheet", "--help"],
        ["labels", "check", "--help"],
        ["submit", "--help"],
        ["plugins", "new", "fresh", "-o", "made"],
    ],
    ids=" ".join,
)
def test_every_command_of_ours_works(folder, run_installed, command):
    result = run_installed(folder, "-m", "bddseg", *command)
    assert result.returncode == 0, result.stderr
    # One warning each, at the most.
    warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning")]
    assert len(warnings) == len(set(warnings))
    if command[:2] == ["zoo", "list"]:
        assert "dnl_r101-d8_512x1024_80k" in result.stdout
        assert sum("miskeyed" in line for line in warnings) == 1
        assert sum("thief" in line for line in warnings) == 1


def test_the_demo_runs_through(folder, run_installed, tmp_path):
    result = run_installed(folder, "-m", "bddseg", "demo", "-o", tmp_path / "demo")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "demo" / "overlays.jpg").is_file()
    # The demo's network is a PSPNet: ours, not the one of the thief.
    assert result.stderr.count("Package thief is passed over: the architecture 'pspnet'") == 1


def test_a_command_that_works_runs(folder, run_installed):
    result = run_installed(folder, "-m", "bddseg", "greet", "you")
    assert (result.returncode, result.stdout) == (0, "Hello you\n")
    assert "Say hello" in run_installed(folder, "-m", "bddseg", "greet", "--help").stdout


def test_a_command_that_does_not_load_says_whose_it_is(folder, run_installed):
    result = run_installed(folder, "-m", "bddseg", "attributeless")
    assert result.returncode == 1
    assert "The command 'attributeless' of package attributeless does not load" in result.stderr
    assert "pip uninstall attributeless" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_plugin_that_fails_keeps_its_traceback(tmp_path, run_installed):
    points = "[bddseg.commands]\nfail = failing_module:fail\n"
    install_stub(tmp_path / "site", "failing", "def fail():\n    1 / 0\n", points)
    result = run_installed(tmp_path / "site", "-m", "bddseg", "fail")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr

"""Broken plugins: each is named with its cause, and everything else works."""

import json
from pathlib import Path

import pytest
from support import RunInstalled, install_stub

CATALOG = """
from pathlib import Path
CATALOG = Path(__file__).with_name("{}.toml")
"""
BUILD = "def build(*, num_classes): ..."
SEVERAL = "several packages register it: duplicate_a, duplicate_b"
# Package: its code, its entry points, and the problem.
BROKEN = {
    "importless": (
        "import nothing_of_that_name",
        "[bddseg.architectures]\nimportless = importless_module:build\n",
        "No module named 'nothing_of_that_name'",
    ),
    "leaving": (
        "print('hello')\nraise SystemExit",
        "[bddseg.catalogs]\nleaving = leaving_module:CATALOG\n",
        "leaving_module:CATALOG: SystemExit",
    ),
    "attributeless": (
        "other = 1",
        "[bddseg.commands]\nattributeless = attributeless_module:app\n",
        "has no attribute 'app'",
    ),
    "wrong_signature": (
        "def build(classes): ...",
        "[bddseg.architectures]\nwrong_signature = wrong_signature_module:build\n",
        "no parameter num_classes: (classes)",
    ),
    "clash": (
        BUILD,
        "[bddseg.architectures]\npspnet = clash_module:build\n"
        "[bddseg.commands]\ninfer = clash_module:build\n"
        "[bddseg.catalogs]\ndrivable = clash_module:build\n",
        "is built in and cannot be replaced",
    ),
    "duplicate_a": (BUILD, "[bddseg.architectures]\nsame = duplicate_a_module:build\n", SEVERAL),
    "duplicate_b": (BUILD, "[bddseg.architectures]\nsame = duplicate_b_module:build\n", SEVERAL),
    "wrong_key": (
        CATALOG.format("wrong_key"),
        "[bddseg.catalogs]\nwrong_key = wrong_key_module:CATALOG\n",
        "unknown field `nonsense`",
    ),
    "wrong_name": (
        CATALOG.format("wrong_name"),
        "[bddseg.catalogs]\nwrong_name = wrong_name_module:CATALOG\n",
        "entry ../../evil: Expected `str` matching regex",
    ),
    "outdated": (
        BUILD,
        "[bddseg.architectures]\noutdated = outdated_module:build\n",
        "made for bddseg <0.1, and this is 0.1.0",
    ),
    "wrong_task": (
        "task = 'drivable'",
        "[bddseg.tasks]\nwrong_task = wrong_task_module:task\n",
        "expected a bddseg Task, got str",
    ),
    "incomplete": (
        "class Incomplete: ...",
        "[bddseg.runtimes]\nincomplete = incomplete_module:Incomplete\n"
        "[bddseg.sources]\nincomplete = incomplete_module:Incomplete\n"
        "[bddseg.writers]\nincomplete = incomplete_module:Incomplete\n"
        "[bddseg.metrics]\nincomplete = incomplete_module:Incomplete\n",
        "incomplete_module:Incomplete: TypeError: ",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them at once, and one that works."""
    folder = tmp_path_factory.mktemp("site")
    for package, (code, points, _) in BROKEN.items():
        requires = "bddseg<0.1" if package == "outdated" else ""
        install_stub(folder, package, code, points, requires)
    (folder / "wrong_key.toml").write_text('[[entry]]\nname = "bad"\nnonsense = "red"\n')
    (folder / "wrong_name.toml").write_text('[[entry]]\nname = "../../evil"\ntitle = "Evil"\n')
    install_stub(
        folder,
        "working",
        "def greet(name: str) -> None:\n    '''Say hello.'''\n    print('Hello', name)\n",
        "[bddseg.commands]\ngreet = working_module:greet\n",
    )
    return folder


def test_each_is_listed_with_its_cause(folder: Path, run_installed: RunInstalled) -> None:
    result = run_installed(folder, "-m", "bddseg", "plugins", "list", "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["plugins"]
    problems: dict[str, list[str]] = {}
    for row in rows:
        if row["state"] == "broken":
            problems.setdefault(row["package"], []).append(row["problem"])
    assert set(problems) == set(BROKEN)
    for package, (_, points, expected) in BROKEN.items():
        assert len(problems[package]) == points.count(" = ")
        for problem in problems[package]:
            assert expected in problem
    assert {row["package"] for row in rows if row["state"] == "ok"} >= {"working"}
    text = run_installed(folder, "-m", "bddseg", "plugins", "list").stdout
    for package, (_, _, expected) in BROKEN.items():
        assert package in text
        assert expected in text


def test_help_shows_all_commands_and_imports_none(
    folder: Path, run_installed: RunInstalled
) -> None:
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
        ["vis", "grid", "--help"],
        ["labels", "check", "--help"],
        ["package", "--help"],
        ["plugins", "new", "fresh", "-o", "made"],
    ],
    ids=" ".join,
)
def test_every_built_in_command_works(
    folder: Path, run_installed: RunInstalled, command: list[str]
) -> None:
    result = run_installed(folder, "-m", "bddseg", *command)
    assert result.returncode == 0, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning")]
    assert len(warnings) == len(set(warnings))
    if command[:2] == ["zoo", "list"]:
        assert "dnl_r101-d8_512x1024_80k" in result.stdout
        assert sum("wrong_key" in line for line in warnings) == 1
        assert sum("clash" in line for line in warnings) == 1


def test_a_built_in_model_runs(
    folder: Path, run_installed: RunInstalled, frames: Path, tmp_path: Path
) -> None:
    result = run_installed(
        *(folder, "-m", "bddseg", "infer", "demo", frames, "-o", tmp_path / "out"),
        *("--device", "cpu", "-n", 1),
    )
    assert result.returncode == 0, result.stderr
    # The model is a PSPNet: the built-in one, not the one of the package `clash`.
    assert result.stderr.count("Package clash is ignored: the architecture 'pspnet'") == 1


def test_a_plugins_command_runs(folder: Path, run_installed: RunInstalled) -> None:
    result = run_installed(folder, "-m", "bddseg", "greet", "you")
    assert (result.returncode, result.stdout) == (0, "Hello you\n")
    text = run_installed(folder, "-m", "bddseg", "greet", "--help").stdout
    assert "Say hello" in text
    assert "--quiet" in text


def test_a_command_that_does_not_load_is_an_error_with_its_package(
    folder: Path, run_installed: RunInstalled
) -> None:
    result = run_installed(folder, "-m", "bddseg", "attributeless")
    assert result.returncode == 1
    assert "The command 'attributeless' of package attributeless does not load" in result.stderr
    assert "pip uninstall attributeless" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bug_in_a_plugin_is_shown_with_its_traceback(
    tmp_path: Path, run_installed: RunInstalled
) -> None:
    points = "[bddseg.commands]\nfail = failing_module:fail\n"
    install_stub(tmp_path / "site", "failing", "def fail():\n    1 / 0\n", points)
    result = run_installed(tmp_path / "site", "-m", "bddseg", "fail")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr

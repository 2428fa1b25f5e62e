"""The command line as a whole."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from support import Run

from bddseg.cli.commands import BUILT_IN, load_command
from bddseg.data.mask import write_mask

MODULES = "import sys; from bddseg.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
MODULES += "print('\\n' + ' '.join(sys.modules), file=sys.stderr)"


def list_imports(*arguments: str) -> set[str]:
    """Return the modules that a command imports."""
    command = [sys.executable, "-c", MODULES, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(result.stderr.splitlines()[-1].split())


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command, built_in in BUILT_IN.items():
        assert (f" {command} " in out) != built_in.hidden


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_command_has_help(run: Run, name: str) -> None:
    assert load_command(name).name == name
    code, out, err = run(name, "-h")
    assert (code, err) == (0, "")
    assert f" {name} [OPTIONS]" in out


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version") == (0, f"bddseg {version('bddseg')}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["zoo", "nonsense"], ["zoo", "list", "-z"]])
def test_an_unknown_command_or_option_is_wrong_usage(run: Run, arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize(("words", "meant"), [("evla", "eval"), ("vis ovrlay", "overlay")])
def test_a_misspelt_command_names_the_one_that_was_meant(run: Run, words: str, meant: str) -> None:
    assert f"Did you mean '{meant}'?" in run(*words.split())[2]


@pytest.fixture
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The words of a command on a folder with two masks."""
    write_mask(tmp_path / "m" / "a.png", np.zeros((4, 4), np.uint8))
    write_mask(tmp_path / "f" / "a.png", np.zeros((4, 4), np.uint8))
    return [word.format(tmp_path) for word in request.param.split()]


@pytest.mark.parametrize(
    "arguments",
    [
        "--version",
        "zoo list",
        "zoo show pspnet_r50-d8_512x1024_40k",
        "eval -g {0}/m -r {0}/m",
        "vis colorize -i {0}/m -o {0}/c",
        "vis overlay -i {0}/f -r {0}/m -o {0}/o",
    ],
    indirect=True,
)
def test_commands_that_run_no_model_do_not_import_torch(arguments: list[str]) -> None:
    modules = list_imports(*arguments)
    assert "bddseg.cli.app" in modules
    assert "torch" not in modules


def test_help_imports_no_command() -> None:
    modules = list_imports("--help")
    assert not {"torch", "numpy", "cv2", "PIL", "requests", "msgspec", "rich.progress"} & modules
    assert not {target.target.partition(":")[0] for target in BUILT_IN.values()} & modules
    assert not [name for name in modules if name.startswith(("bddseg.zoo", "bddseg.models"))]


def test_python_dash_m_runs_the_command() -> None:
    command = [sys.executable, "-m", "bddseg", "zoo", "show", "nonsense"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: There is no model named 'nonsense'.")


def test_ctrl_c_exits_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_task: str | None) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("bddseg.cli.zoo.list.list_entries", interrupt)
    code, _, err = run("zoo", "list")
    assert code == 130
    assert "Interrupted" in err


def test_a_bug_is_shown_with_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_task: str | None) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr("bddseg.cli.zoo.list.list_entries", fail)
    with pytest.raises(ZeroDivisionError):
        run("zoo", "list")


def test_the_python_api_is_imported_on_use() -> None:
    code = "import sys, bddseg; assert 'torch' not in sys.modules; bddseg.load_model; "
    code += "assert 'torch' in sys.modules; print(bddseg.__version__, len(bddseg.list_models()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[0] == version("bddseg")

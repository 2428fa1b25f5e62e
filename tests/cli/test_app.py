"""The command line as a whole."""

import subprocess
import sys
from importlib.metadata import version

import pytest

MODULES = "import sys; from bddseg.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
MODULES += "print('\\n' + ' '.join(sys.modules), file=sys.stderr)"


def run_process(*arguments):
    command = [sys.executable, "-m", "bddseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in ("zoo", "infer", "eval", "vis", "demo"):
        assert f" {command} " in out


def test_version_is_the_packages(run):
    assert run("--version") == (0, f"bddseg {version('bddseg')}\n", "")


def test_an_unknown_command_is_wrong_usage(run):
    assert run("nonsense")[0] == 2


@pytest.fixture
def arguments(request, tmp_path):
    import numpy as np

    from bddseg.data.masks import write_mask

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
        "vis overlay -i {0}/f -c {0}/m -o {0}/o",
    ],
    indirect=True,
)
def test_what_runs_no_model_imports_no_torch(arguments):
    result = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(result.stderr.splitlines()[-1].split())
    assert "bddseg.cli.app" in loaded
    assert "torch" not in loaded


def test_help_loads_neither_arrays_nor_networks():
    code = "import sys; from bddseg.cli import app; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "cv2", "PIL", "requests", "msgspec"} & set(out.stdout.split())


def test_python_dash_m_runs_the_command():
    result = run_process("zoo", "show", "nonsense")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: There is no model named 'nonsense'.")


def test_ctrl_c_exits_with_130(run, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("bddseg.zoo.catalog.list_entries", interrupt)
    code, _, err = run("zoo", "list")
    assert code == 130
    assert "Interrupted" in err


def test_a_bug_keeps_its_traceback(run, monkeypatch):
    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr("bddseg.zoo.catalog.list_entries", fail)
    with pytest.raises(ZeroDivisionError):
        run("zoo", "list")


def test_the_python_api_is_imported_on_use():
    code = "import sys, bddseg; assert 'torch' not in sys.modules; bddseg.load_model; "
    code += "assert 'torch' in sys.modules; print(bddseg.__version__, len(bddseg.list_entries()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[0] == version("bddseg")

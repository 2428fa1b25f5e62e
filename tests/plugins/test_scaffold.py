"""The package that `bddseg plugins new` writes, installed and used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import RunInstalled

# Runs commands in one process, which imports torch once, and prints what each printed.
COMMANDS = """
import contextlib, io, json, sys
from bddseg.cli.app import app
results = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            app(arguments)
        except SystemExit as stop:
            results.append((stop.code, out.getvalue()))
with contextlib.redirect_stdout(io.StringIO()) as out:
    import pytest
    code = pytest.main(["-q", "-p", "no:cacheprovider", sys.argv[2]])
print(json.dumps([*results, (int(code), out.getvalue())]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the plugin `fast_net`."""
    root = tmp_path_factory.mktemp("new")
    command = [sys.executable, "-m", "bddseg", "plugins", "new", "fast_net", "-o", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return root / "bddseg-fast-net"


def test_it_is_installed_listed_run_and_tested(
    folder: Path, run_installed: RunInstalled, frames: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, str(folder)], check=True, capture_output=True)
    weights, out = str(tmp_path / "w.pth"), tmp_path / "out"
    commands = [
        ["plugins", "list", "--json"],
        ["zoo", "list"],
        ["fast_net", "init", "-o", weights],
        ["infer", "fast_net", str(frames), "-o", str(out), "--weights", weights, "--workers", "2"],
    ]
    process = run_installed(site, "-c", COMMANDS, json.dumps(commands), folder)
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout)
    assert [code for code, _ in results] == [0] * 5, (results, process.stderr)
    plugins, models = results[0][1], results[1][1]
    rows = [
        (row["kind"], row["name"], row["state"])
        for row in json.loads(plugins)["plugins"]
        if row["package"] == "bddseg-fast-net"
    ]
    assert rows == [
        ("architecture", "fast_net", "ok"),
        ("catalog", "fast_net", "ok"),
        ("command", "fast_net", "ok"),
    ]
    assert "fast_net" in models
    assert len(list((out / "masks").rglob("*.png"))) == 5
    assert " passed" in results[-1][1]


def test_its_code_passes_the_linter(folder: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select", "A,ARG,B,C4,D,E,F,PTH,RET,RUF,SIM,UP", "--line-length", "100"]
    rules += ["--isolated", "--config", "lint.pydocstyle.convention='google'", "--ignore", "D107"]
    code = str(folder / "bddseg_fast_net")
    subprocess.run([*ruff, "check", *rules, code], check=True)
    style = ["--isolated", "--line-length", "100", "--check"]
    subprocess.run([*ruff, "format", *style, str(folder)], check=True)

"""The package that `bddseg plugins new` writes, installed and used."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support import RunInstalled


class Package(NamedTuple):
    """A new plugin, and the folder that it is installed in."""

    folder: Path
    site: Path


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The plugin `fast_net`."""
    root = tmp_path_factory.mktemp("new")
    command = [sys.executable, "-m", "bddseg", "plugins", "new", "fast_net", "-o", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    package = Package(root / "bddseg-fast-net", root / "site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(package.site)]
    subprocess.run([*pip, str(package.folder)], check=True, capture_output=True)
    return package


def test_its_objects_are_listed(package: Package, run_installed: RunInstalled) -> None:
    listed = run_installed(package.site, "-m", "bddseg", "plugins", "list", "--json")
    rows = [
        (row["kind"], row["name"], row["state"])
        for row in json.loads(listed.stdout)["plugins"]
        if row["package"] == "bddseg-fast-net"
    ]
    assert rows == [
        ("architecture", "fast_net", "ok"),
        ("catalog", "fast_net", "ok"),
        ("command", "fast_net", "ok"),
    ]
    assert "fast_net" in run_installed(package.site, "-m", "bddseg", "zoo", "list").stdout


def test_its_command_and_inference_with_two_workers_run(
    package: Package, run_installed: RunInstalled, frames: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "w.pth"
    made = run_installed(package.site, "-m", "bddseg", "fast_net", "init", "-o", weights)
    assert made.returncode == 0, made.stderr
    result = run_installed(
        *(package.site, "-m", "bddseg", "infer", "fast_net", frames, "-o", tmp_path / "out"),
        *("--weights", weights, "--device", "cpu", "--workers", 2),
    )
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "out" / "masks").rglob("*.png"))) == 5


def test_its_own_tests_pass(package: Package, run_installed: RunInstalled) -> None:
    result = run_installed(
        package.site, "-m", "pytest", "-q", "-p", "no:cacheprovider", package.folder
    )
    assert result.returncode == 0, result.stdout


def test_its_code_passes_the_linter(package: Package) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select", "A,ARG,B,C4,D,E,F,PTH,RET,RUF,SIM,UP", "--line-length", "100"]
    rules += ["--isolated", "--config", "lint.pydocstyle.convention='google'", "--ignore", "D107"]
    code = str(package.folder / "bddseg_fast_net")
    subprocess.run([*ruff, "check", *rules, code], check=True)
    style = ["--isolated", "--line-length", "100", "--check"]
    subprocess.run([*ruff, "format", *style, str(package.folder)], check=True)

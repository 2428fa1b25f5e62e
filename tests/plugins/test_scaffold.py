"""`bddseg plugins new`: the package that it writes, installed and used."""

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A new plugin and the folder that it is installed in."""
    root = tmp_path_factory.mktemp("new")
    command = [sys.executable, "-m", "bddseg", "plugins", "new", "fast_net", "-o", root]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "pip install -e" in text
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--no-index", "--no-deps", "--no-build-isolation", "--target", root / "site"]
    subprocess.run([*pip, root / "bddseg-fast-net"], check=True, capture_output=True)
    return root / "bddseg-fast-net", root / "site"


def test_it_is_listed_and_its_model_too(package, run_installed):
    listed = run_installed(package[1], "-m", "bddseg", "plugins", "list", "--json")
    found = [
        (each["kind"], each["name"], each["state"])
        for each in json.loads(listed.stdout)["plugins"]
        if each["package"] == "bddseg-fast-net"
    ]
    assert found == [
        ("architecture", "fast_net", "ok"),
        ("catalog", "fast_net", "ok"),
        ("command", "fast_net", "ok"),
    ]
    assert "fast_net" in run_installed(package[1], "-m", "bddseg", "zoo", "list").stdout


def test_its_command_and_inference_with_two_workers_run(package, run_installed, frames, tmp_path):
    weights = tmp_path / "w.pth"
    made = run_installed(package[1], "-m", "bddseg", "fast_net", "init", "-o", weights)
    assert made.returncode == 0, made.stderr
    result = run_installed(
        *(package[1], "-m", "bddseg", "infer", "fast_net", frames, "-o", tmp_path / "masks"),
        *("--weights", weights, "--device", "cpu", "--workers", 2),
    )
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "masks").rglob("*.png"))) == 5


def test_its_own_tests_pass(package, run_installed):
    result = run_installed(package[1], "-m", "pytest", "-q", "-p", "no:cacheprovider", package[0])
    assert result.returncode == 0, result.stdout
    assert "9 passed" in result.stdout


def test_its_code_is_in_order(package):
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select", "A,ARG,B,C4,D,E,F,PTH,RET,RUF,SIM,UP", "--line-length", "100"]
    rules += ["--isolated", "--config", "lint.pydocstyle.convention='google'", "--ignore", "D107"]
    subprocess.run([*ruff, "check", *rules, package[0] / "bddseg_fast_net"], check=True)
    style = ["--isolated", "--line-length", "100", "--check"]
    subprocess.run([*ruff, "format", *style, package[0]], check=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Fast", "cannot be a plugin's name"),
        ("../evil", "cannot be a plugin's name"),
        ("9lives", "cannot be a plugin's name"),
        ("pspnet", "the name of an architecture or a command already"),
        ("infer", "the name of an architecture or a command already"),
        ("there", "is there already"),
    ],
)
def test_names_that_cannot_be_are_refused(run, tmp_path, name, said):
    (tmp_path / "bddseg-there").mkdir()
    code, _, err = run("plugins", "new", name, "-o", tmp_path)
    assert code == 1
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["bddseg-there"]


def test_a_folder_that_cannot_be_written_is_said(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("plugins", "new", "fresh", "-o", tmp_path / "file")
    assert code == 1
    assert "Cannot write" in err

"""Fixtures that several tests use."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Run, RunInstalled, write_tiny_model

from bddseg.cli.app import app


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or fills the user's cache."""
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they want, also in the processes of pytest-xdist, which set a width."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The TOML of a small model, with weights beside it."""
    folder = tmp_path / "model"
    folder.mkdir()
    return write_tiny_model(folder)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of five frames of several sizes, two levels deep."""
    folder = tmp_path / "frames"
    rng = np.random.default_rng(0)
    sizes = {"a.jpg": (72, 128), "b.png": (128, 72), "night/c.jpg": (97, 161)}
    sizes |= {"night/rain/d.JPG": (50, 50), "night/rain/e.bmp": (64, 96)}
    for name, (height, width) in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, (width, height)))
    return folder


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process: returns (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code: object = 0
        try:
            code = app([str(argument) for argument in arguments], standalone_mode=True)
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return int(str(code or 0)), out, err

    return run


@pytest.fixture
def run_installed(tmp_path: Path) -> RunInstalled:
    """Run a command in a new process, with what lies in a folder installed beside bddseg."""

    def run(folder: Path, *command: object) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "160"}
        return subprocess.run(
            [sys.executable, *map(str, command)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )

    return run

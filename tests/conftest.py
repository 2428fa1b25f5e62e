"""What several tests use."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ENTRY = """
name = "tiny"
title = "PSPNet"
task = "drivable"
architecture = "pspnet"

[options]
depth = 18
base_channels = 4
strides = [1, 2, 1, 1]
dilations = [1, 1, 2, 4]
channels = 8
pool_scales = [1, 2]
dropout = 0.1
auxiliary_channels = 0
align_corners = false

[preprocessing]
size_hw = [64, 96]
mean_rgb = [123.675, 116.28, 103.53]
std_rgb = [58.395, 57.12, 57.375]

[weights]
file = "tiny.pth"
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test sees or fills the user's cache."""
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def tiny(tmp_path) -> Path:
    """The TOML of a small model, with weights beside it."""
    folder = tmp_path / "model"
    folder.mkdir()
    return write_tiny_model(folder)


def write_tiny_model(folder: Path, *, spread: bool = False) -> Path:
    """Write a small model; `spread` makes its masks hold several classes."""
    import torch

    from bddseg.models.architectures import build_network
    from bddseg.zoo.entry import read_entry

    path = folder / "tiny.toml"
    path.write_text(ENTRY)
    entry = read_entry(path)
    torch.manual_seed(0)
    state = build_network(entry.architecture, num_classes=3, options=entry.options).state_dict()
    if spread:
        # Stronger and opposed reasons for each class.
        generator = torch.Generator().manual_seed(3)
        state["decode_head.conv_seg.weight"].normal_(0, 10, generator=generator)
        state["decode_head.conv_seg.bias"].zero_()
    torch.save(state, folder / "tiny.pth")
    return path


@pytest.fixture
def frames(tmp_path) -> Path:
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
def run(capfd):
    """Run the command line in this process: returns (exit code, stdout, stderr)."""
    from bddseg.cli.app import app

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            code = app([str(argument) for argument in arguments], standalone_mode=True)
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return int(code or 0), out, err

    return run


@pytest.fixture
def run_installed(tmp_path):
    """Run a command in a new process, with what lies in a folder installed beside bddseg."""

    def run(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
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


def install_stub(folder: Path, package: str, code: str, points: str, requires: str = "") -> None:
    """Make a package of one module, PACKAGE_module, with entry points: metadata and code alone."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{package}_module.py").write_text(code)
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    wanted = f"Requires-Dist: {requires}\n" if requires else ""
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n{wanted}"
    )
    (metadata / "entry_points.txt").write_text(points)

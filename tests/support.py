"""What tests of several folders use: types of fixtures, small models, stub packages."""

import signal
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.demo import GROUND_TRUTH, IMAGES
from bddseg.models.build import build_network
from bddseg.types import Image, LabelMap
from bddseg.zoo.catalog import read_entry


class Run(Protocol):
    """The fixture `run`: the command line, in this process."""

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        ...


class RunInstalled(Protocol):
    """The fixture `run_installed`: a command in a new process, with a folder of packages."""

    def __call__(self, folder: Path, *command: object) -> "subprocess.CompletedProcess[str]":
        """Return the process, with its output as text."""
        ...


def heed_ctrl_c() -> None:
    """Run in a new process: what a background job of a shell starts ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class DemoFrame(NamedTuple):
    """A frame of the demo: RGB (720, 1280, 3), and its ground truth (720, 1280), uint8."""

    frame: Image
    labels: LabelMap


def read_demo_frame(number: int) -> DemoFrame:
    """Return one of the demo's frames: 2, 4, 100, 105, 106, 107, 108 or 111."""
    name = f"scene-{number:03}"
    return DemoFrame(read_image(IMAGES / f"{name}.jpg"), read_mask(GROUND_TRUTH / f"{name}.png"))


def write_tiny_model(folder: Path, *, spread: bool = False) -> Path:
    """Write a small model; with `spread` its masks hold several classes."""
    path = folder / "tiny.toml"
    path.write_text(_ENTRY)
    entry = read_entry(path)
    torch.manual_seed(0)
    state = build_network(entry).state_dict()
    if spread:
        # Strong and opposed reasons for each class.
        generator = torch.Generator().manual_seed(3)
        state["decode_head.conv_seg.weight"].normal_(0, 10, generator=generator)
        state["decode_head.conv_seg.bias"].zero_()
    torch.save(state, folder / "tiny.pth")
    return path


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


_ENTRY = """
name = "tiny"
title = "PSPNet"
task = "drivable"
architecture = "pspnet"

[options]
dropout = 0.1
align_corners = false

[options.backbone]
type = "resnet"
depth = 18
base_channels = 4
strides = [1, 2, 1, 1]
dilations = [1, 1, 2, 4]

[options.head]
channels = 8
pool_scales = [1, 2]

[preprocessing]
size_hw = [64, 96]
mean = [123.675, 116.28, 103.53]
std = [58.395, 57.12, 57.375]

[weights]
file = "tiny.pth"
"""

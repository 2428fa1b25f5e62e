"""A package that adds one of each kind: each is one object in one file, and one entry point."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support import install_stub, write_tiny_model

CODE = '''
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bddseg.data.sources.source import FrameRef
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.inference.writers.writer import FileWriter
from bddseg.metrics.metric import Metric
from bddseg.models.encoder_decoder import make_architecture
from bddseg.models.heads.head import DecodeHead
from bddseg.tasks.task import Task

TASK = Task(
    name="road",
    classes=("road", "other"),
    colors=((10, 200, 30), (0, 0, 0)),
    background="other",
)


class LinearHead(DecodeHead):
    """A 1x1 convolution of the last stage."""

    def __init__(self, common, *, channels):
        super().__init__(common, channels=channels)
        self.reduce = nn.Conv2d(common.in_channels[-1], channels, 1)

    def forward(self, features):
        return self.classify(self.reduce(features[-1]).relu())


build = make_architecture(LinearHead)


class NegatedRuntime(TorchRuntime):
    """Runs the network and negates its logits: what was least likely wins."""

    def infer(self, images):
        return {task: -logits for task, logits in super().infer(images).items()}


class NoiseSource:
    """`noise:N` is N random frames."""

    is_live = False

    def __init__(self, count):
        self.count = count

    @classmethod
    def accepts(cls, source):
        return source.startswith("noise:")

    @classmethod
    def open(cls, source, selection, *, exclude=None):
        return cls(int(source.removeprefix("noise:")))

    def items(self):
        for number in range(self.count):
            yield FrameRef("noise", f"{number:03}", number)

    def read(self, refs):
        for ref in refs:
            rng = np.random.default_rng(ref.index)
            yield ref, rng.integers(0, 256, (48, 80, 3), np.uint8)


class CountWriter(FileWriter):
    """Writes how many pixels each class has."""

    folder = "counts"
    suffix = ".txt"

    def encode(self, item, prediction):
        counts = np.bincount(prediction.labels.ravel(), minlength=self.task.num_classes)
        return " ".join(map(str, counts)).encode()
'''

POINTS = """
[bddseg.architectures]
linear = additions_module:build
[bddseg.tasks]
road = additions_module:TASK
[bddseg.runtimes]
negated = additions_module:NegatedRuntime
[bddseg.sources]
noise = additions_module:NoiseSource
[bddseg.writers]
counts = additions_module:CountWriter
"""

CONTRACTS = """
import sys, tempfile
from pathlib import Path
from bddseg.inference.runtimes.runtime import RUNTIMES
from bddseg.data.sources.source import open_source
from bddseg.inference.writers.writer import WRITERS
from bddseg.tasks.task import get_task
from bddseg.testing import (
    ARCHITECTURE_CONTRACTS, check_runtime, check_source, check_task, check_writer, make_example
)
from bddseg.zoo.catalog import find_entry

entry = find_entry(sys.argv[1])
runtime = RUNTIMES.load("negated").load(
    entry, Path(entry.weights.file), device="cpu", precision="fp32"
)
check_runtime(runtime, entry)
check_source(open_source("noise:3"))
check_task(get_task("road"))
check_writer(WRITERS.load("counts"), Path(tempfile.mkdtemp()))
example = make_example(sys.argv[2])
for contract in ARCHITECTURE_CONTRACTS:
    contract(example)
print("all contracts hold")
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder of the package."""
    folder = tmp_path / "installed"
    install_stub(folder, "additions", CODE, POINTS)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The TOML of the small model."""
    return write_tiny_model(tmp_path, spread=True)


@pytest.fixture
def linear(model: Path) -> Path:
    """The TOML of a model with the package's head on our ResNet, for the package's task."""
    path = model.with_name("linear.toml")
    text = model.read_text().replace('architecture = "pspnet"', 'architecture = "linear"')
    text = text.replace('task = "drivable"', 'task = "road"').replace("pool_scales = [1, 2]\n", "")
    path.write_text(text)
    return path


def test_a_source_a_runtime_and_a_format_of_a_package_work_together(
    installed: Path, model: Path, tmp_path: Path, run_installed: Callable[..., object]
) -> None:
    out = tmp_path / "out"
    command = ("-m", "bddseg", "infer", model, "noise:4", "--device", "cpu", "-o")
    formats = ("--format", "mask,counts")
    plain = run_installed(installed, *command, out, *formats)
    assert getattr(plain, "returncode", 1) == 0, plain
    assert sorted(path.name for path in (out / "masks").iterdir()) == [
        f"{number:03}.png" for number in range(4)
    ]
    counts = [list(map(int, path.read_text().split())) for path in out.glob("counts/*.txt")]
    assert [sum(row) for row in counts] == [48 * 80] * 4
    negated = run_installed(installed, *command, tmp_path / "negated", "--runtime", "negated")
    assert getattr(negated, "returncode", 1) == 0, negated
    first, second = (
        (folder / "masks" / "000.png").read_bytes() for folder in (out, tmp_path / "negated")
    )
    assert first != second


def test_everything_passes_the_contracts(
    installed: Path, model: Path, linear: Path, run_installed: Callable[..., object]
) -> None:
    result = run_installed(installed, "-c", CONTRACTS, model, linear)
    assert "all contracts hold" in getattr(result, "stdout", ""), result

"""A small model whose graph is exported once for all tests of this folder."""

from pathlib import Path

import numpy as np
import pytest
from support import write_tiny_model

from bddseg.specs import Entry
from bddseg.types import Image
from bddseg.zoo.catalog import find_entry


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the graph."""
    return tmp_path_factory.mktemp("shared-home")


@pytest.fixture
def shared_graphs(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use that cache folder."""
    monkeypatch.setenv("BDDSEG_HOME", str(shared_home))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A model whose masks hold several classes; frames of 64x96 pixels are not resized."""
    return find_entry(write_tiny_model(tmp_path_factory.mktemp("small"), spread=True))


@pytest.fixture
def image() -> Image:
    """A frame of 64x96 pixels."""
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)

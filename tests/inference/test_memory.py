"""Memory of a process."""

import subprocess
import sys

import numpy as np

from bddseg.inference.memory import get_peak_memory_mb

_CHILD = "from bddseg.inference.memory import get_peak_memory_mb; print(get_peak_memory_mb())"


def test_peak_memory_is_that_of_the_process_alone() -> None:
    large = np.ones(300 * 2**20, np.uint8)
    child = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, check=True)
    peak = get_peak_memory_mb()
    assert peak
    assert peak > large.nbytes / 2**20
    if sys.platform.startswith("linux"):
        assert float(child.stdout) < 250

"""The acceptance run works: a part of it, with small networks on a CPU."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_acceptance_run_works_on_a_cpu() -> None:
    options = ["-m", "gpu", "-k", "emanet or costs_less", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(Path(__file__).parent)],
        env=os.environ | {"BDDSEG_TEST_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed, 5 skipped" in done.stdout, done.stdout + done.stderr

"""`bddseg --help` with ten plugins installed and with none, alternating.

Run: python tests/benchmarks/bench_help.py [--rounds N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(folder):
    """Return the seconds that help takes with what is installed in a folder."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "bddseg", "--help"]
    start = time.perf_counter()
    text = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    return time.perf_counter() - start, text.count(b"From package")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        none, ten = Path(root, "none"), Path(root, "ten")
        none.mkdir()
        for number in range(10):
            metadata = ten / f"plug{number}-1.0.dist-info"
            metadata.mkdir(parents=True)
            (metadata / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: plug{number}\nVersion: 1.0\n"
            )
            (metadata / "entry_points.txt").write_text(
                f"[bddseg.commands]\nplug{number} = plug{number}:app\n"
                f"[bddseg.architectures]\nplug{number} = plug{number}:build\n"
            )
        pairs = [(run(none), run(ten)) for _ in range(arguments.rounds)]
    (without, _), (with_ten, shown) = (
        (statistics.median(pair[side][0] for pair in pairs), pairs[0][side][1]) for side in (0, 1)
    )
    ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
    print(f"none {without * 1e3:.0f} ms, ten ({shown} shown) {with_ten * 1e3:.0f} ms: {ratio:.3f}")


if __name__ == "__main__":
    main()

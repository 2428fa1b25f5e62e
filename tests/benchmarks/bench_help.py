"""Time of `bddseg --help` with ten plugins installed and with none, alternating.

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

NUM_PLUGINS = 10


def run(folder: Path) -> tuple[float, int]:
    """Return the seconds that help takes with the plugins in a folder, and how many it shows."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "bddseg", "--help"]
    start = time.perf_counter()
    text = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    return time.perf_counter() - start, text.count(b"From package plug")


def install_plugins(folder: Path) -> None:
    """Write the metadata of plugins with a command and an architecture each."""
    for number in range(NUM_PLUGINS):
        metadata = folder / f"plug{number}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: plug{number}\nVersion: 1.0\n"
        )
        (metadata / "entry_points.txt").write_text(
            f"[bddseg.commands]\nplug{number} = plug{number}:app\n"
            f"[bddseg.architectures]\nplug{number} = plug{number}:build\n"
        )


def main() -> None:
    """Print the medians in milliseconds, and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        none, ten = Path(root, "none"), Path(root, "ten")
        none.mkdir()
        install_plugins(ten)
        pairs = [(run(none), run(ten)) for _ in range(arguments.rounds)]
    without_s = statistics.median(without for (without, _), _ in pairs)
    with_s = statistics.median(with_plugins for _, (with_plugins, _) in pairs)
    ratio = statistics.median(with_plugins / without for (without, _), (with_plugins, _) in pairs)
    shown = pairs[0][1][1]
    print(f"none {without_s * 1e3:.0f} ms, {shown} plugins {with_s * 1e3:.0f} ms: {ratio:.3f}")


if __name__ == "__main__":
    main()

"""`bddseg vis` against the official coloring tool and the zoo's script, as whole commands.

Run: python tests/benchmarks/bench_vis.py FRAMES MASKS --zoo-vis vis.py [--rounds N] [--threads N]

FRAMES are JPEG files and MASKS their masks, both flat folders; vis.py is `drivable/vis.py` of
github.com/SysCV/bdd100k-models.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(*command: object) -> float:
    """Return the time that a command takes, in seconds."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, command)], check=True, capture_output=True
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--zoo-vis", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", default="2")
    arguments = parser.parse_args()
    nproc = ("--nproc", arguments.threads)
    threads = ("--threads", arguments.threads)
    seconds: dict[str, list[tuple[float, float]]] = {"colorize": [], "overlay": []}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            masks = ("-i", arguments.masks)
            official = run(
                *("-m", "bdd100k.label.to_color", "-m", "drivable", *masks),
                *("-o", out / "official", *nproc),
            )
            ours = run("-m", "bddseg", "vis", "colorize", *masks, "-o", out / "ours", *threads)
            seconds["colorize"].append((official, ours))
            if arguments.zoo_vis is None:
                continue
            frames = ("-i", arguments.frames)
            zoo = run(
                *(arguments.zoo_vis, *frames, "-c", out / "official"),
                *("-o", out / "zoo_overlays", *nproc),
            )
            ours = run(
                *("-m", "bddseg", "vis", "overlay", *frames, "-r", arguments.masks),
                *("-o", out / "overlays", *threads),
            )
            seconds["overlay"].append((zoo, ours))
    for name, rounds in seconds.items():
        for theirs, ours in rounds:
            print(f"{name}: {theirs:.2f} s, ours {ours:.2f} s, ratio {theirs / ours:.2f}")
        if rounds:
            ratio = statistics.median(theirs / ours for theirs, ours in rounds)
            print(f"{name}: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()

"""`bddseg eval` against the official evaluator: whole commands on the same masks, alternating.

Run: python tests/benchmarks/bench_eval.py GROUND_TRUTH PREDICTIONS [--rounds N] [--threads N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence


def run(command: Sequence[str]) -> tuple[float, float]:
    """Return seconds and peak memory, in MB, of a command and its largest process."""
    start = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *command],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ground_truth")
    parser.add_argument("predictions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", default="2")
    arguments = parser.parse_args()
    folders = ["-g", arguments.ground_truth, "-r", arguments.predictions]
    official_command = ["-W", "ignore", "-m", "bdd100k.eval.run", "-t", "drivable", *folders]
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(arguments.rounds):
        official = run([*official_command, "--nproc", arguments.threads])
        ours = run(["-m", "bddseg", "eval", *folders, "--threads", arguments.threads])
        rows.append((*official, *ours))
        print("official {:.1f} s {:.0f} MB, ours {:.1f} s {:.0f} MB".format(*rows[-1]))
    ratio = statistics.median(row[0] / row[2] for row in rows)
    memory = statistics.median(row[1] / row[3] for row in rows)
    print(f"faster by {ratio:.2f}, with memory smaller by {memory:.2f} (largest process of each)")


if __name__ == "__main__":
    main()

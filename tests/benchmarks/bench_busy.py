"""`bddseg infer` beside busy processes: how much longer it takes than on an idle machine.

Three runs take turns: the command, the command with threads that spin as OpenMP has it by default,
and a plain loop in PyTorch (`plain.py`). Each runs idle and beside processes that do
nothing but compute. Two threads that share the cores with four processes get a third of their time:
a run that computes all the time takes three times as long at least, unless the scheduler favors it.

Run: python tests/benchmarks/bench_busy.py MODEL FRAMES [--weights FILE] [--limit N] [--busy N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_pipeline import run_command, run_loop

# The default of GCC's OpenMP.
_LONG_SPIN = {"GOMP_SPINCOUNT": "300000"}
_RUNS = {
    "bddseg infer": (run_command, {}),
    "bddseg infer, long spinning": (run_command, _LONG_SPIN),
    "plain loop": (run_loop, {}),
}


@contextmanager
def keep_busy(count: int) -> Iterator[None]:
    """Run busy processes during the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(name: str, model: str, weights: Path, frames: list[Path]) -> float:
    """Return the seconds of a run for each frame."""
    run, variables = _RUNS[name]
    os.environ.update(variables)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return run(model, weights, frames, Path(folder))[0] / len(frames)
    finally:
        for variable in variables:
            del os.environ[variable]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("frames", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--busy", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    weights = arguments.weights or get_weights(find_entry(arguments.model))
    frames = sorted(arguments.frames.glob("*.jpg"))[: arguments.limit]
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in _RUNS}
    for _ in range(arguments.rounds):
        for name, rows in seconds.items():
            idle = measure(name, arguments.model, weights, frames)
            with keep_busy(arguments.busy):
                rows.append((idle, measure(name, arguments.model, weights, frames)))
            print(f"{name}: {rows[-1][0]:.3f} s, beside others {rows[-1][1]:.3f} s", flush=True)
    print(f"{arguments.model}, {len(frames)} frames, {os.cpu_count()} cores, per frame:")
    for name, rows in seconds.items():
        idle, busy = (1000 * statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(busy / idle for idle, busy in rows)
        print(f"  {name:28} idle {idle:7.1f} ms, busy {busy:7.1f} ms: {ratio:.2f} times as long")


if __name__ == "__main__":
    main()

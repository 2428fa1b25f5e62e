"""`bddseg infer` beside busy processes: how much longer it takes than on an idle machine.

Four runs take turns: the command; the command with one frame at a time, so that all threads
compute the same one; that with threads that spin as OpenMP has it by default; and a plain loop in
PyTorch (`plain.py`). Each runs idle and beside processes that do nothing but compute. Two threads
that share the cores with four processes get a third of their time: a run that computes all the time
takes three times as long at least, unless the scheduler favors it.

Run: python tests/benchmarks/bench_busy.py MODEL FRAMES [--weights FILE] [--limit N] [--busy N]
         [--runtime NAME]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench_pipeline import Times, run_command, run_loop

from bddseg.inference.runtimes.runtime import RUNTIMES

# The default of GCC's OpenMP.
_LONG_SPIN = {"GOMP_SPINCOUNT": "300000"}


def list_runs(runtime: str) -> dict[str, tuple[Callable[..., Times], dict[str, str]]]:
    """Return what is run, and the variables that it has in its environment."""
    options = ["--runtime", runtime]
    one = partial(run_command, options=[*options, "--batch-size", "1"])
    return {
        "bddseg infer": (partial(run_command, options=options), {}),
        "one frame at a time": (one, {}),
        "the same, long spinning": (one, _LONG_SPIN),
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


def measure(
    run: Callable[..., Times],
    variables: dict[str, str],
    model: str,
    weights: Path,
    frames: list[Path],
) -> float:
    """Return the seconds of a run for each frame."""
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
    parser.add_argument("--runtime", default="torch", choices=RUNTIMES.list_names(), metavar="NAME")
    arguments = parser.parse_args()
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    weights = arguments.weights or get_weights(find_entry(arguments.model))
    frames = sorted(arguments.frames.glob("*.jpg"))[: arguments.limit]
    runs = list_runs(arguments.runtime)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        for name, rows in seconds.items():
            idle = measure(*runs[name], arguments.model, weights, frames)
            with keep_busy(arguments.busy):
                rows.append((idle, measure(*runs[name], arguments.model, weights, frames)))
            print(f"{name}: {rows[-1][0]:.3f} s, beside others {rows[-1][1]:.3f} s", flush=True)
    print(f"{arguments.model}, {len(frames)} frames, {os.cpu_count()} cores, per frame:")
    for name, rows in seconds.items():
        idle, busy = (1000 * statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(busy / idle for idle, busy in rows)
        print(f"  {name:28} idle {idle:7.1f} ms, busy {busy:7.1f} ms: {ratio:.2f} times as long")


if __name__ == "__main__":
    main()

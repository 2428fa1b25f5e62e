"""From JPEG to mask: `bddseg infer` with each runtime against the authors' loop.

The loop (`plain.py`) reads, resizes, normalises, runs the network, takes the highest logits,
enlarges the labels and writes, one frame after the other. All have the same weights, cores and
threads; they take turns, and the medians of paired ratios are reported. Times are those of the
frames: processes and weights are loaded before, and OpenVINO and ONNX Runtime compile their graphs
within them.

Run: python tests/benchmarks/bench_pipeline.py MODEL FRAMES [--weights FILE] [--limit N]
         [--runtimes NAME...] [--precisions NAME...] [--int8 ENTRY.toml] [--workers N...]
         [--batch-sizes N...]

ENTRY.toml is from `bddseg quantize`. Each runtime is tried with each number of workers and batch
size; OpenVINO and the int8 network are also tried in bf16, where the CPU has it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from bddseg.inference.quantization.folder import MODEL_NAME
from bddseg.inference.runtimes.runtime import RUNTIMES

# Seconds of the run, and of its network alone.
Times = tuple[float, float]
# A model, its weights and options.
Way = tuple[str, Path, list[str]]


def run_loop(model: str, weights: Path, frames: list[Path], out: Path) -> Times:
    script = Path(__file__).with_name("plain.py")
    command = [sys.executable, *map(str, (script, model, weights, out, *frames))]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, network = json.loads(text)
    return seconds, network


def run_command(
    model: str, weights: Path, frames: list[Path], out: Path, options: Sequence[str] = ()
) -> Times:
    listing = out / "frames.txt"
    listing.write_text("\n".join(str(path.resolve()) for path in frames))
    command = [sys.executable, "-m", "bddseg", "infer", model, str(listing), "-o", str(out)]
    command += ["--weights", str(weights), "--device", "cpu", *options]
    subprocess.run(command, check=True, capture_output=True)
    record = json.loads((out / "run.json").read_text())
    return record["seconds"]["run"], sum(each["seconds"]["network"] for each in record["workers"])


def list_ways(arguments: argparse.Namespace, weights: Path) -> dict[str, Way]:
    """Return the ways to run the command."""
    ways: dict[str, Way] = {}
    for number, size, precision in product(
        arguments.workers, arguments.batch_sizes, arguments.precisions
    ):
        suffix = "" if precision == "fp32" else f" {precision}"
        suffix += (f" x{number}" if number > 1 else "") + (f" batch {size}" if size else "")
        options = ["--workers", str(number), "--batch-size", str(size), "--precision", precision]
        for runtime in arguments.runtimes:
            if precision == "fp32" or runtime == "openvino":
                ways[runtime + suffix] = (
                    arguments.model,
                    weights,
                    ["--runtime", runtime, *options],
                )
        if arguments.int8:
            file = arguments.int8.with_name(MODEL_NAME)
            ways["int8" + suffix] = (str(arguments.int8), file, options)
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("frames", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--runtimes", nargs="*", default=["torch"], choices=RUNTIMES.list_names(), metavar="NAME"
    )
    parser.add_argument(
        "--precisions", nargs="*", default=["fp32"], choices=["fp32", "bf16"], metavar="NAME"
    )
    parser.add_argument("--int8", type=Path, metavar="ENTRY")
    parser.add_argument("--workers", nargs="*", type=int, default=[1])
    parser.add_argument("--batch-sizes", nargs="*", type=int, default=[0])
    arguments = parser.parse_args()
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    weights = arguments.weights or get_weights(find_entry(arguments.model))
    frames = sorted(arguments.frames.glob("*.jpg"))[: arguments.limit]
    ways = list_ways(arguments, weights)
    times: dict[str, list[Times]] = {"loop": [], **{name: [] for name in ways}}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            times["loop"].append(run_loop(arguments.model, weights, frames, Path(folder)))
        for name, (model, file, options) in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                times[name].append(run_command(model, file, frames, Path(folder), options))
        row = ", ".join(f"{name} {rows[-1][0]:.2f} s" for name, rows in times.items())
        print(row, flush=True)
    print(f"{arguments.model}, {len(frames)} frames, {os.cpu_count()} cores")
    for name, rows in times.items():
        report(name, rows, times["loop"], len(frames))


def report(name: str, rows: list[Times], loop: list[Times], count: int) -> None:
    run, network = (statistics.median(column) / count for column in zip(*rows, strict=True))
    faster = statistics.median(a[0] / b[0] for a, b in zip(loop, rows, strict=True))
    print(
        f"  {name:16} {1 / run:6.1f} frames/s {faster:5.2f}x, {1000 * run:7.1f} ms a frame, "
        f"in the network {1000 * network:7.1f} ms"
    )


if __name__ == "__main__":
    main()

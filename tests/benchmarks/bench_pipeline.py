"""`bddseg infer` with one CPU worker against a plain loop, and against the network alone.

The loop is what one would write: read, resize, normalise, network, upsample, argmax, write, one
frame after the other, with denormal numbers flushed. Both use the same weights, cores and threads;
they alternate, and the medians of their paired ratios are reported.

Run: python tests/benchmarks/bench_pipeline.py MODEL FRAMES [--weights FILE] [--limit N]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LOOP = """
import json, sys, time
from pathlib import Path
import cv2, numpy as np, torch
import torch.nn.functional as F
from bddseg.models.build import build_network
from bddseg.models.checkpoint import load_weights
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.inference.sliding_window import compute_logits
from bddseg.zoo.catalog import find_entry
from bddseg.data.preprocess import get_input_size

model, weights, out, *frames = sys.argv[1:]
entry = find_entry(model)
torch.set_flush_denormal(True)
network = build_network(entry).eval()
load_weights(network, Path(weights))
runtime = TorchRuntime(network, entry.task, torch.device("cpu"))
preprocessing = entry.preprocessing
mean, std = np.float32(preprocessing.mean), np.float32(preprocessing.std)
alone = 0.0
start = time.perf_counter()
with torch.inference_mode():
    for number, path in enumerate(frames):
        frame = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        size_hw = frame.shape[:2]
        target = get_input_size(size_hw, preprocessing)
        image = (cv2.resize(frame.astype(np.float32), target[::-1]) - mean) / std
        image = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        before = time.perf_counter()
        logits = compute_logits(runtime, image, entry.sliding_window)[entry.task]
        alone += time.perf_counter() - before
        corners = runtime.align_corners
        logits = F.interpolate(logits, size_hw, mode="bilinear", align_corners=corners)
        labels = logits.argmax(dim=1)[0].to(torch.uint8).numpy()
        cv2.imwrite(f"{out}/{number}.png", labels)
print(json.dumps([time.perf_counter() - start, alone]))
"""


def run_loop(model: str, weights: Path, frames: list[Path], out: Path) -> tuple[float, float]:
    """Return the seconds of the loop, and of its network alone."""
    command = [sys.executable, "-c", LOOP, model, str(weights), str(out), *map(str, frames)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, network = json.loads(text)
    return seconds, network


def run_command(model: str, weights: Path, frames: list[Path], out: Path) -> tuple[float, float]:
    """Return the seconds of the command's run, and of its network alone."""
    listing = out / "frames.txt"
    listing.write_text("\n".join(str(path.resolve()) for path in frames))
    command = [sys.executable, "-m", "bddseg", "infer", model, str(listing), "-o", str(out)]
    command += ["--weights", str(weights), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True)
    record = json.loads((out / "run.json").read_text())
    return record["seconds"]["run"], record["workers"][0]["seconds"]["network"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("frames", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from bddseg.zoo.catalog import find_entry
    from bddseg.zoo.download import get_weights

    weights = arguments.weights or get_weights(find_entry(arguments.model))
    frames = sorted(arguments.frames.glob("*.jpg"))[: arguments.limit]
    rows = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            loop = run_loop(arguments.model, weights, frames, Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            ours = run_command(arguments.model, weights, frames, Path(folder))
        rows.append((*loop, *ours))
        print("loop {:.2f} s (network {:.2f}), ours {:.2f} s (network {:.2f})".format(*rows[-1]))
    count = len(frames)
    median = [statistics.median(column) / count for column in zip(*rows, strict=True)]
    print(f"{arguments.model}, {count} frames, {os.cpu_count()} cores, per frame:")
    print(f"  plain loop      {1000 * median[0]:8.1f} ms, its network {1000 * median[1]:8.1f} ms")
    print(f"  bddseg infer    {1000 * median[2]:8.1f} ms, its network {1000 * median[3]:8.1f} ms")
    faster = statistics.median(row[0] / row[2] for row in rows)
    overhead = statistics.median(row[2] / row[3] - 1 for row in rows)
    print(f"  faster than the loop by {faster:.2f}; over its own network's time by {overhead:.2%}")


if __name__ == "__main__":
    main()

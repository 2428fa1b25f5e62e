"""Milliseconds to turn the scores of a 720x1280 frame into labels, on a CPU.

Run: python tests/benchmarks/bench_pick_classes.py
"""

import statistics
import time

import torch

from bddseg.models.segmenter import pick_classes


def measure(function, repeats=9):
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


if __name__ == "__main__":
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of 9")
    for classes in (2, 3, 8, 19):
        scores = torch.randn(1, classes, 720, 1280)
        ours = measure(lambda scores=scores: pick_classes(scores))
        argmax = measure(lambda scores=scores: scores.argmax(dim=1).to(torch.uint8))
        print(
            f"{classes:2} classes: {ours:7.1f} ms, argmax {argmax:7.1f} ms, {argmax / ours:5.1f} x"
        )

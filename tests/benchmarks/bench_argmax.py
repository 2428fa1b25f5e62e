"""Milliseconds to turn logits into the labels of a 720x1280 frame, on a CPU.

At the frame's size, and at 288x512, from where they are resized: all of them, or borders alone.

Run: python tests/benchmarks/bench_argmax.py
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from bddseg.inference.postprocess import argmax, mark_not_finite
from bddseg.inference.resize_argmax import resize_argmax
from bddseg.models.layers import resize

FRAME_HW = (720, 1280)


def measure(function: Callable[[Tensor], Tensor], logits: Tensor, repeats: int = 9) -> float:
    function(logits)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(logits)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def argmax_of_torch(logits: Tensor) -> Tensor:
    return logits.argmax(dim=1).to(torch.uint8)


if __name__ == "__main__":
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of 9")
    for classes in (2, 3, 8, 19):
        logits = torch.randn(1, classes, *FRAME_HW)
        ours, theirs = measure(argmax, logits), measure(argmax_of_torch, logits)
        mark = partial(mark_not_finite, argmax(logits))
        check = measure(mark, logits)
        print(
            f"{classes:2} classes: {ours:6.1f} ms, torch {theirs:6.1f} ms, {theirs / ours:5.1f} x; "
            f"whether they are finite {check:6.2f} ms"
        )
        # As smooth as a network's, which come from 1/8 of this size.
        small = resize(torch.randn(1, classes, 6, 10), (288, 512), align_corners=False)
        whole = measure(lambda x: argmax(resize(x, FRAME_HW, align_corners=False)), small)
        borders = measure(lambda x: resize_argmax(x, FRAME_HW, align_corners=False), small)
        print(
            f"            resized: {borders:6.1f} ms, all {whole:6.1f} ms, {whole / borders:5.1f} x"
        )

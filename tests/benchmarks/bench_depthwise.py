"""Training on a CPU with torch's gradients of depthwise convolutions, and with ours.

Images per second, forwards and backwards of the whole network, in bfloat16, 16 images
at a time; the two take turns.

Run: python tests/benchmarks/bench_depthwise.py [MODEL...]
"""

import statistics
import sys
import time

import torch
from bddseg_train.depthwise import speed_up_depthwise
from torch import nn

from bddseg.models.build import build_network
from bddseg.zoo.catalog import find_entry

BATCH_SIZE = 16
_ROUNDS = 5
SIZES_HW = ((192, 320), (288, 512))


def measure(network: nn.Module, images: torch.Tensor) -> float:
    """Return the seconds of a step without the optimizer."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    logits.float().square().mean().backward()
    network.zero_grad()
    return time.perf_counter() - start


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of {_ROUNDS}")
    for model in sys.argv[1:] or ["swiftnet_lite"]:
        plain, ours = (build_network(find_entry(model)).train() for _ in range(2))
        speed_up_depthwise(ours)
        for size_hw in SIZES_HW:
            images = torch.randn(BATCH_SIZE, 3, *size_hw)
            images = images.contiguous(memory_format=torch.channels_last)
            rows = [
                [measure(network, images) for network in (plain, ours)] for _ in range(_ROUNDS + 1)
            ][1:]
            ratio = statistics.median(a / b for a, b in rows)
            speeds = (BATCH_SIZE / statistics.median(column) for column in zip(*rows, strict=True))
            torchs, own = speeds
            print(f"{model}, {size_hw}: {torchs:.1f} and {own:.1f} images/s, {ratio:.2f} times")


if __name__ == "__main__":
    main()

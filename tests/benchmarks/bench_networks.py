"""Seconds a frame and peak memory of each architecture at 720x1280, from frame to labels.

Each architecture runs in a process of its own, with random weights.
Run: python tests/benchmarks/bench_networks.py [ARCHITECTURE...] [--device cuda] [--precision bf16]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

from bddseg.engine.model import Model
from bddseg.models.architectures import ARCHITECTURES, build_network
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.segmenter import Segmenter
from bddseg.tasks import get_task
from bddseg.zoo.catalog import list_entries

FRAME = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)


def measure(entry, device, precision, repeats):
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    network = build_network(
        entry.architecture, num_classes=len(get_task(entry.task).classes), options=entry.options
    )
    if isinstance(network, EncoderDecoder):
        network.optimize()
    test = entry.test
    segmenter = Segmenter(network, mode=test.mode, crop_hw=test.crop_hw, stride_hw=test.stride_hw)
    model = Model(entry, segmenter, torch.device(device), precision=precision)
    model(FRAME)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(FRAME)
        times.append(time.perf_counter() - start)
    if device == "cpu":
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    else:
        peak_gb = torch.cuda.max_memory_allocated() / 2**30
    print(f"{entry.short_name:32} {statistics.median(times):8.3f} s {peak_gb:6.2f} GB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="*")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = ARCHITECTURES.list_names()
    entries = {
        entry.architecture: entry
        for entry in reversed(list_entries())
        if entry.architecture in known
    }
    names = arguments.architectures or sorted(entries)
    if arguments.alone:
        measure(entries[names[0]], arguments.device, arguments.precision, arguments.repeats)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.device}")
    for name in names:
        options = ["--device", arguments.device, "--precision", arguments.precision]
        options += ["--repeats", str(arguments.repeats)]
        subprocess.run([sys.executable, __file__, name, *options, "--alone"], check=True)


if __name__ == "__main__":
    main()

"""Each architecture at 720x1280, from frame to label map: seconds, memory, half precision.

Each runs in a process of its own, with the weights of the parity tests. These prefer one class
everywhere, so the last bias is changed until classes are balanced. Margins between classes are then
small: half precision changes more pixels than with trained weights.

Run: python tests/benchmarks/bench_networks.py [ARCHITECTURE...] [--device cuda] [--half bf16 fp16]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from typing import cast

import torch

from bddseg.data.image import read_image
from bddseg.demo import IMAGES
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime, flush_denormals
from bddseg.models.build import ARCHITECTURES, build_network
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.network import Network, fuse
from bddseg.specs import Entry, Precision
from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.types import LabelMap
from bddseg.zoo.catalog import list_entries

FRAME = read_image(IMAGES / "scene-002.jpg")


def build(entry: Entry, device: torch.device) -> Network:
    network = build_network(entry)
    load_seeded_weights(network)
    fuse(network.eval())
    return cast(Network, network.to(device))


def balance(network: Network, model: Predictor) -> None:
    if isinstance(network, EncoderDecoder):
        with torch.inference_mode():
            small = torch.nn.functional.avg_pool2d(model.prepare(FRAME).tensors[0][None], 2)
            logits = network(small.to(model.device))
            bias = network.decode_head.conv_seg.bias
            assert bias is not None
            bias -= logits.mean(dim=(0, 2, 3))


def measure(model: Predictor, repeats: int) -> tuple[LabelMap, float]:
    labels = model(FRAME).labels
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(FRAME)
        times.append(time.perf_counter() - start)
    return labels, statistics.median(times)


def report(entry: Entry, arguments: argparse.Namespace) -> None:
    flush_denormals()
    device = torch.device(arguments.device)
    network = build(entry, device)

    def make_model(precision: Precision) -> Predictor:
        return Predictor(entry, TorchRuntime(network, entry.task, device, precision))

    balance(network, make_model("fp32"))
    labels, seconds = measure(make_model("fp32"), arguments.repeats)
    if device.type == "cpu":
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    else:
        peak_gb = torch.cuda.max_memory_allocated() / 2**30
    line = f"{entry.architecture:14} fp32 {seconds:7.3f} s {peak_gb:5.2f} GB"
    for precision in arguments.half:
        changed, seconds = measure(make_model(precision), arguments.repeats)
        share = 100 * (changed != labels).mean()
        line += f"   {precision} {seconds:7.3f} s, {share:5.2f} % of pixels change"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="*")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", nargs="*", default=[], choices=["bf16", "fp16"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = ARCHITECTURES.list_names()
    entries = {
        entry.architecture: entry
        for entry in reversed(list_entries())
        if entry.architecture in known
    }
    if arguments.alone:
        report(entries[arguments.architectures[0]], arguments)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.device}")
    for name in arguments.architectures or sorted(entries):
        options = ["--device", arguments.device, "--repeats", str(arguments.repeats), "--alone"]
        command = [sys.executable, __file__, name, *options, "--half", *arguments.half]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

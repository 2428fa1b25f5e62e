"""Each architecture at 720x1280, from frame to labels: seconds, memory, effect of half precision.

Each runs in a process of its own, with the weights of the parity tests. These have no opinion of
roads, so classes are balanced by moving the last bias, and margins are small: the share of pixels
that half precision changes is more than trained weights would show.

Run: python tests/benchmarks/bench_networks.py [ARCHITECTURE...] [--device cuda] [--half bf16 fp16]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
from seeded_weights import seeded_state

from bddseg.demo.scenes import render_scene
from bddseg.engine.model import Model
from bddseg.models.architectures import ARCHITECTURES, build_network
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.segmenter import Segmenter
from bddseg.tasks import get_task
from bddseg.zoo.catalog import list_entries

FRAME = render_scene(2).frame


def build(entry):
    classes = len(get_task(entry.task).classes)
    network = build_network(entry.architecture, num_classes=classes, options=entry.options)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    arrays = seeded_state(shapes)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    if isinstance(network, EncoderDecoder):
        network.optimize()
    test = entry.test
    return Segmenter(network, mode=test.mode, crop_hw=test.crop_hw, stride_hw=test.stride_hw)


def balance(segmenter, model):
    if isinstance(segmenter.network, EncoderDecoder):
        with torch.inference_mode():
            small = torch.nn.functional.avg_pool2d(model.prepare(FRAME).images[0][None], 2).to(
                model.device
            )
            logits = segmenter.network(small)
        segmenter.network.decode_head.conv_seg.bias.data -= logits.mean(dim=(0, 2, 3)).clone()


def measure(model, repeats):
    labels = model(FRAME)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(FRAME)
        times.append(time.perf_counter() - start)
    return labels, statistics.median(times)


def report(entry, arguments):
    torch.set_flush_denormal(True)
    device = torch.device(arguments.device)
    segmenter = build(entry)
    model = Model(entry, segmenter, device)
    balance(segmenter, model)
    labels, seconds = measure(model, arguments.repeats)
    if device.type == "cpu":
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    else:
        peak_gb = torch.cuda.max_memory_allocated() / 2**30
    line = f"{entry.architecture:14} fp32 {seconds:7.3f} s {peak_gb:5.2f} GB"
    for precision in arguments.half:
        half = Model(entry, segmenter, device, precision=precision)
        changed, seconds = measure(half, arguments.repeats)
        share = 100 * (changed != labels).mean()
        line += f"   {precision} {seconds:7.3f} s, {share:5.2f} % of pixels change"
    print(line, flush=True)


def main():
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

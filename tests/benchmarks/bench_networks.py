"""Each architecture at 720x1280, from frame to label map: seconds, memory, equal pixels.

Several ways to run a network are compared: each is a process of its own, and they take turns, so
that a busy machine slows all of them. Weights are those of the parity tests. These prefer one class
everywhere, so the last bias is changed until classes are balanced. Margins between classes are then
small: half precision changes more pixels than with trained weights.

Run: python tests/benchmarks/bench_networks.py [ARCHITECTURE...] [--device cuda] [--half bf16 fp16]
         [--reference PYTHON] [--before PYTHON] [--runtimes openvino onnx]

PYTHON is that of another environment: one with bddseg-openmmlab and mmsegmentation, or one with
another state of bddseg.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from bddseg.data.image import read_image
from bddseg.demo import IMAGES
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.runtimes.runtime import RUNTIMES
from bddseg.inference.runtimes.torch import TorchRuntime, flush_denormals
from bddseg.inference.sliding_window import compute_logits
from bddseg.models.build import ARCHITECTURES, build_network
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.network import Network, fuse
from bddseg.specs import Entry, Precision
from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.types import LabelMap
from bddseg.zoo.catalog import list_entries

FRAME = read_image(IMAGES / "scene-002.jpg")
BIAS = "decode_head.conv_seg.bias"

# Frame to label map, and the logits of the network's input.
Run = tuple[Callable[[], LabelMap], Callable[[], Tensor]]


def build(entry: Entry, folder: Path) -> torch.nn.Module:
    """Return the network with balanced classes; the first process computes the bias for all."""
    network = build_network(entry).eval()
    load_seeded_weights(network)
    if isinstance(network, EncoderDecoder):
        path = folder / "bias.npy"
        if not path.exists():
            with torch.inference_mode():
                model = Predictor(entry, make_runtime(entry, network, torch.device("cpu"), "fp32"))
                small = torch.nn.functional.avg_pool2d(model.prepare(FRAME).tensors[0][None], 2)
                np.save(path, network(small).mean(dim=(0, 2, 3)).numpy())
        with torch.no_grad():
            network.get_parameter(BIAS).sub_(torch.from_numpy(np.load(path)))
    return network


def make_runtime(
    entry: Entry, network: torch.nn.Module, device: torch.device, precision: Precision
) -> TorchRuntime:
    return TorchRuntime(cast(Network, network), entry.task, device, precision)


def run_ours(entry: Entry, folder: Path, device: torch.device, precision: Precision) -> Run:
    network = build(entry, folder)
    fuse(network)
    return run_model(Predictor(entry, make_runtime(entry, network.to(device), device, precision)))


def run_runtime(entry: Entry, folder: Path, runtime: str) -> Run:
    """Run another runtime; its graph is exported first, or comes from the cache."""
    weights = folder / "weights.pth"
    torch.save(build(entry, folder).state_dict(), weights)
    return run_model(load_model(entry, weights=weights, runtime=runtime))


def run_model(model: Predictor) -> Run:
    def get_logits() -> Tensor:
        with torch.inference_mode():
            images = model.prepare(FRAME).tensors[0][None].to(model.device)
            return compute_logits(model.runtime, images, model.entry.sliding_window)[
                model.task.name
            ]

    return lambda: model(FRAME).labels, get_logits


def run_reference(entry: Entry, folder: Path, device: torch.device, _: Precision) -> Run:
    # mmcv imports torchvision; nothing that runs here needs it.
    sys.path.append(str(Path(__file__).parents[2] / "plugins/bddseg-openmmlab/tests/stand_in"))
    from bddseg_openmmlab.config import adapt_to_zoo, find_reference, read_config
    from bddseg_openmmlab.reference import Reference

    path = find_reference(entry)
    config = read_config(path)
    adapt_to_zoo(config, entry.task)
    reference = Reference(config, entry, str(path))
    reference.load(build(entry, folder).state_dict())
    reference.to(device)
    return lambda: reference.predict(FRAME), lambda: reference.compute_logits(FRAME)


def serve(entry: Entry, way: str, folder: Path, device: torch.device) -> None:
    """Run once for each line of the input, and answer with the seconds that it took."""
    flush_denormals()
    precision = cast(Precision, way if way in ("bf16", "fp16") else "fp32")
    if way in RUNTIMES.list_names():
        infer, get_logits = run_runtime(entry, folder, way)
    else:
        make = run_reference if way == "reference" else run_ours
        infer, get_logits = make(entry, folder, device, precision)
    labels = infer()
    if device.type == "cpu":
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    else:
        peak_gb = torch.cuda.max_memory_allocated() / 2**30
    np.savez(folder / f"{way}.npz", labels=labels, logits=get_logits().float().cpu().numpy())
    print(json.dumps(peak_gb), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        infer()
        print(json.dumps(time.perf_counter() - start), flush=True)


def compare(entry: Entry, ways: dict[str, str], arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workers = {}
        peaks = {}
        for way, python in ways.items():
            options = ["--device", arguments.device, "--serve", way, "--folder", folder]
            workers[way] = subprocess.Popen(
                [python, __file__, entry.architecture, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            peaks[way] = receive(workers[way])
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.repeats):
            for way, worker in workers.items():
                assert worker.stdin
                print(file=worker.stdin, flush=True)
                times[way].append(receive(worker))
        for worker in workers.values():
            worker.communicate()
        results = {way: np.load(Path(folder, f"{way}.npz")) for way in ways}
        report(entry.architecture, times, peaks, results)


def receive(worker: "subprocess.Popen[str]") -> float:
    assert worker.stdout
    line = worker.stdout.readline()
    if not line:
        sys.exit(f"{' '.join(map(str, worker.args))} failed")  # type: ignore[arg-type]
    return float(json.loads(line))


def report(
    name: str, times: dict[str, list[float]], peaks: dict[str, float], results: dict[str, Any]
) -> None:
    """Print a line for each way; differences and ratios are those from the first."""
    first, *_ = times
    expected = results[first]
    for way, seconds in times.items():
        pairs = zip(times[first], seconds, strict=True)
        ratio = statistics.median(before / after for before, after in pairs)
        logits, labels = results[way]["logits"], results[way]["labels"]
        change = np.abs(logits - expected["logits"]).max() / expected["logits"].std()
        equal = 100 * (labels == expected["labels"]).mean()
        print(
            f"{name:15} {way:10} {statistics.median(seconds):7.3f} s {ratio:5.2f}x "
            f"{peaks[way]:5.2f} GB {equal:8.4f} % equal pixels, logits within {change:.1e} std",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="*")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", nargs="*", default=[], choices=["bf16", "fp16"])
    parser.add_argument("--reference", metavar="PYTHON", help="compare with mmsegmentation")
    parser.add_argument("--before", metavar="PYTHON", help="compare with that bddseg")
    parser.add_argument("--runtimes", nargs="*", default=[], choices=RUNTIMES.list_names())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = ARCHITECTURES.list_names()
    # The first of each architecture, if there is one with published scores: not the demo's.
    entries: dict[str, Entry] = {}
    for entry in sorted(list_entries(), key=lambda entry: entry.scores is None):
        if entry.architecture in known:
            entries.setdefault(entry.architecture, entry)
    if arguments.serve:
        entry = entries[arguments.architectures[0]]
        serve(entry, arguments.serve, arguments.folder, torch.device(arguments.device))
        return
    others = {"reference": arguments.reference, "before": arguments.before}
    ways = {way: python for way, python in others.items() if python}
    ways |= dict.fromkeys(("fp32", *arguments.half, *arguments.runtimes), sys.executable)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.device}")
    for name in arguments.architectures or sorted(entries):
        compare(entries[name], ways, arguments)


if __name__ == "__main__":
    main()

"""Networks at 720x1280, from frame to label map: seconds, memory, equal pixels.

Several ways to run a network are compared: each is a process of its own, and they take turns, so
that a busy machine slows all of them. Weights are those of the parity tests. These prefer one class
everywhere, so the last bias is changed until classes are balanced. Margins between classes are then
small: int8 and half precision change more pixels than with trained weights.

Run: python tests/benchmarks/bench_networks.py [MODEL...] [--ways WAY...] [--reference PYTHON]
         [--before PYTHON] [--device cuda] [--frames FOLDER] [--size HxW] [--weights FILE]
         [--folder FOLDER]

MODEL is an architecture, for its first model, or a model's name. Ways are fp32, bf16, fp16,
compile, the runtimes, int8 (all layers, calibrated on a few frames) and plain (see `plain.py`).
PYTHON is that of another environment: one with bddseg-openmmlab and mmsegmentation, or one with
another state of bddseg. Labels are compared at the size of the network's input. Peak memory is that
of a process which loads the weights and runs one frame; graphs were exported before. FOLDER keeps
them, for one model.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import cv2
import msgspec
import numpy as np
import torch
from torch import Tensor

from bddseg.data.image import read_image
from bddseg.demo import IMAGES
from bddseg.inference.memory import get_peak_memory_mb, keep_freed_memory
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.runtimes.runtime import RUNTIMES
from bddseg.inference.runtimes.torch import TorchRuntime, flush_denormals
from bddseg.inference.sliding_window import compute_logits
from bddseg.models.build import ARCHITECTURES, build_network
from bddseg.models.encoder_decoder import EncoderDecoder
from bddseg.models.network import Network
from bddseg.specs import Entry, Precision
from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.types import Image, LabelMap
from bddseg.zoo.catalog import find_entry, list_entries

NUM_CALIBRATION = 4
# Ways that need more than weights.
PREPARED = ("openvino", "onnx", "int8")
BIAS = "decode_head.conv_seg.bias"

# Frame to label map, and the logits (1, K, H, W) of the network's input.
Run = tuple[Callable[[], LabelMap], Callable[[], Tensor]]


class Case:
    """A model, the frames it gets, and a folder for the files of all ways.

    Args:
        model: Its name, or an architecture.
        frames: The first is timed, the next ones calibrate.
        size: Of the frame and the network's input, (H, W); without, they stay as they are.
    """

    def __init__(self, model: str, frames: Path, size: str | None, folder: Path) -> None:
        self.entry = find_model(model)
        self.folder = folder
        self.weights = folder / "weights.pth"
        paths = sorted(frames.glob("*.jpg"))[: NUM_CALIBRATION + 1]
        self.frames = [read_image(path) for path in paths]
        if size:
            height, width = map(int, size.split("x"))
            shape = (width, height)
            self.frames = [
                cast(Image, cv2.resize(each, shape, interpolation=cv2.INTER_AREA))
                for each in self.frames
            ]
            changed = msgspec.structs.replace(self.entry.preprocessing, size_hw=(height, width))
            self.entry = msgspec.structs.replace(self.entry, preprocessing=changed)

    @property
    def frame(self) -> Image:
        return self.frames[0]


def find_model(name: str) -> Entry:
    """Return an entry by name, or an architecture's first one with published scores."""
    for entry in sorted(list_entries(), key=lambda entry: entry.scores is None):
        if entry.architecture == name:
            return entry
    return find_entry(name)


def prepare(case: Case, what: str) -> None:
    """Write the files that ways need, in a process whose memory does not count."""
    if what == "weights.pth":
        torch.save(build_balanced(case).state_dict(), case.weights)
    elif what == "int8":
        quantize(case)
    else:
        load_model(case.entry, weights=case.weights, runtime=what)(case.frame)


def build_balanced(case: Case) -> torch.nn.Module:
    """Return the network with seeded weights and balanced classes."""
    network = build_network(case.entry).eval()
    load_seeded_weights(network)
    if isinstance(network, EncoderDecoder):
        with torch.inference_mode():
            runtime = TorchRuntime(cast(Network, network), case.entry.task, torch.device("cpu"))
            images = Predictor(case.entry, runtime).prepare(case.frame).tensors[0][None]
            mean = network(torch.nn.functional.avg_pool2d(images, 2)).mean(dim=(0, 2, 3))
        with torch.no_grad():
            network.get_parameter(BIAS).sub_(mean)
    return network


def quantize(case: Case) -> None:
    """Write the folder of a network whose layers are all int8."""
    import openvino

    from bddseg.inference.export.graph import export_onnx
    from bddseg.inference.quantization.folder import write_folder
    from bddseg.inference.quantization.layers import quantize_layers
    from bddseg.inference.quantization.recorder import Recorder

    entry = case.entry
    runtime = TorchRuntime.load(entry, case.weights, device="cpu", precision="fp32")
    recorder = Recorder(runtime, entry.task, "the frames")
    for frame in case.frames[1:]:
        Predictor(entry, recorder)(frame)
    tasks = dict.fromkeys((entry.task, *entry.extra_tasks), ())
    content = export_onnx(runtime.network, recorder.size_hw, tasks)
    graph = openvino.Core().read_model(content)
    made = quantize_layers(graph, recorder.images, recorder.num_classes).make([])
    write_folder(case.folder / "int8", entry, made, {}, align_corners=runtime.align_corners)


def run_ours(case: Case, device: torch.device, way: str) -> Run:
    # As `bddseg infer` does.
    keep_freed_memory()
    if way == "int8":
        return run_model(load_model(case.folder / "int8" / "entry.toml"), case.frame)
    runtime = way if way in RUNTIMES.list_names() else "torch"
    precision = cast(Precision, way if way in ("bf16", "fp16") else "fp32")
    options: dict[str, Any] = {"compile": True} if way == "compile" else {}
    return run_model(
        load_model(
            case.entry,
            weights=case.weights,
            runtime=runtime,
            device=str(device),
            precision=precision,
            **options,
        ),
        case.frame,
    )


def run_model(model: Predictor, frame: Image) -> Run:
    def get_logits() -> Tensor:
        with torch.inference_mode():
            images = model.prepare(frame).tensors[0][None].to(model.device)
            return compute_logits(model.runtime, images, model.entry.sliding_window)[
                model.task.name
            ]

    return lambda: model(frame).labels, get_logits


def run_plain(case: Case) -> Run:
    from plain import PlainNetwork

    network = PlainNetwork(case.entry, case.weights)
    bgr = np.ascontiguousarray(case.frame[..., ::-1])
    return lambda: network.segment(bgr), lambda: network.compute_logits(bgr)


def run_reference(case: Case, device: torch.device) -> Run:
    # mmcv imports torchvision; nothing that runs here needs it.
    sys.path.append(str(Path(__file__).parents[2] / "plugins/bddseg-openmmlab/tests/stand_in"))
    from bddseg_openmmlab.config import adapt_to_zoo, find_reference, read_config
    from bddseg_openmmlab.reference import Reference

    path = find_reference(case.entry)
    config = read_config(path)
    adapt_to_zoo(config, case.entry.task)
    reference = Reference(config, case.entry, str(path))
    reference.load(torch.load(case.weights))
    reference.to(device)
    return lambda: reference.predict(case.frame), lambda: reference.compute_logits(case.frame)


def serve(case: Case, way: str, device: torch.device) -> None:
    """Run once for each line of the input, and answer with the seconds that it took."""
    flush_denormals()
    if way == "reference":
        infer, get_logits = run_reference(case, device)
    else:
        infer, get_logits = run_plain(case) if way == "plain" else run_ours(case, device, way)
    infer()
    if device.type == "cpu":
        peak_gb = (get_peak_memory_mb() or 0) / 2**10
    else:
        peak_gb = torch.cuda.max_memory_allocated() / 2**30
    np.save(case.folder / f"{way}.npy", get_logits().float().cpu().numpy())
    print(json.dumps(peak_gb), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        infer()
        print(json.dumps(time.perf_counter() - start), flush=True)


def compare(model: str, ways: dict[str, str], arguments: argparse.Namespace) -> None:
    kept = arguments.folder
    with nullcontext(kept) if kept else tempfile.TemporaryDirectory() as folder:

        def make_command(python: str, *options: str) -> list[str]:
            size = ["--size", arguments.size] if arguments.size else []
            common = ["--frames", str(arguments.frames), *size, "--device", arguments.device]
            return [python, __file__, model, "--folder", str(folder), *common, *options]

        # Graphs are exported into that folder.
        environment = os.environ | {"BDDSEG_HOME": str(folder)}
        if arguments.weights:
            shutil.copy(arguments.weights, Path(folder) / "weights.pth")
        # Side by side: this is not timed, and takes longer than what is.
        for batch in (["weights.pth"], [way for way in ways if way in PREPARED]):
            commands = [
                make_command(sys.executable, "--prepare", what)
                for what in batch
                if not Path(folder, what).exists()
            ]
            for prepared in [subprocess.Popen(command, env=environment) for command in commands]:
                prepared.wait()
        processes = {
            way: subprocess.Popen(
                make_command(python, "--serve", way),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for way, python in ways.items()
        }
        workers = {}
        peaks = {}
        for way, process in processes.items():
            assert process.stdout
            if line := process.stdout.readline():
                workers[way], peaks[way] = process, float(line)
            else:
                print(f"{model:15} {way:10} failed", flush=True)
        times: dict[str, list[float]] = {way: [] for way in workers}
        for _ in range(arguments.repeats):
            for way, worker in workers.items():
                assert worker.stdin
                print(file=worker.stdin, flush=True)
                assert worker.stdout
                times[way].append(float(worker.stdout.readline()))
        for worker in workers.values():
            worker.communicate()
        report(model, times, peaks, {way: np.load(Path(folder, f"{way}.npy")) for way in times})


def report(
    name: str, times: dict[str, list[float]], peaks: dict[str, float], results: dict[str, Any]
) -> None:
    """Print a line for each way; differences and ratios are those from the first."""
    first, *_ = times
    expected = results[first]
    for way, seconds in times.items():
        pairs = zip(times[first], seconds, strict=True)
        ratio = statistics.median(before / after for before, after in pairs)
        logits = results[way]
        change = np.abs(logits - expected).max() / expected.std()
        equal = 100 * (logits.argmax(axis=1) == expected.argmax(axis=1)).mean()
        print(
            f"{name:15} {way:10} {statistics.median(seconds):7.4f} s {ratio:5.2f}x "
            f"{peaks[way]:5.2f} GB {equal:8.4f} % equal pixels, logits within {change:.1e} std",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*")
    known = ["fp32", "bf16", "fp16", "compile", "int8", "plain", *RUNTIMES.list_names()]
    parser.add_argument("--ways", nargs="*", default=["fp32"], choices=known)
    parser.add_argument("--reference", metavar="PYTHON", help="compare with mmsegmentation")
    parser.add_argument("--before", metavar="PYTHON", help="compare with that bddseg")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=Path, default=IMAGES)
    parser.add_argument("--size", metavar="HxW")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare or arguments.serve:
        (model,) = arguments.models
        case = Case(model, arguments.frames, arguments.size, arguments.folder)
        if arguments.prepare:
            prepare(case, arguments.prepare)
        else:
            serve(case, arguments.serve, torch.device(arguments.device))
        return
    others = {"reference": arguments.reference, "before": arguments.before}
    ways = {way: python for way, python in others.items() if python}
    ways |= dict.fromkeys(arguments.ways, sys.executable)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.device}")
    zoo = {entry.architecture for entry in list_entries() if entry.scores}
    for name in arguments.models or sorted(zoo & {*ARCHITECTURES.list_names()}):
        compare(name, ways, arguments)


if __name__ == "__main__":
    main()

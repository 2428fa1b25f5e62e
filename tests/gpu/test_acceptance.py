"""What only a GPU can show, in less than ten minutes and offline: `make test-gpu`.

It was never run on a GPU. BDDSEG_TEST_DEVICE=cpu runs the same with small networks on a CPU.
"""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from models.small import BUILT_IN, make_small_entry
from support import read_demo_frame
from worker_runs import end_all, finish, list_masks, read_run, start_ranks

import bddseg
from bddseg.demo import IMAGES
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.build import build_network
from bddseg.specs import Entry, Precision
from bddseg.testing import make_example
from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.zoo.catalog import find_entry, list_entries

DEVICE = torch.device(os.environ.get("BDDSEG_TEST_DEVICE", "cuda"))
IS_GPU = DEVICE.type == "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(IS_GPU and not torch.cuda.is_available(), reason="torch finds no GPU"),
]
# Billions of multiplications and additions for a frame of 720 x 1280, counted twice each.
GFLOP = {
    "pspnet_r50-d8_512x1024_40k": 982,
    "deeplabv3_r101-d8_512x1024_80k": 2373,
    "fcn_hr48_512x1024_80k": 605,
}
# Largest difference of logits to the CPU's in float32, in their standard deviations.
LIMITS: dict[Precision, float] = {"fp32": 1e-3, "tf32": 5e-2, "fp16": 1e-1, "bf16": 6e-1}


def find(architecture: str) -> Entry:
    """Return an entry of the zoo; on a CPU, a small network of that architecture."""
    if not IS_GPU:
        return make_small_entry(architecture)
    return next(each for each in list_entries() if each.architecture == architecture)


def make_model(entry: Entry, precision: Precision, device: torch.device = DEVICE) -> Predictor:
    network = build_network(entry).eval()
    load_seeded_weights(network)
    fuse = getattr(network, "fuse", lambda: None)
    fuse()
    return Predictor(entry, TorchRuntime(network, entry.task, device, precision))  # type: ignore[arg-type]


def write_weights(entry: Entry, path: Path) -> Path:
    torch.save(make_example(entry).network.state_dict(), path)
    return path


def write_frames(folder: Path, count: int) -> Path:
    """Make a folder of that many names for the demo's frames."""
    images = sorted(IMAGES.glob("*.jpg"))
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.jpg").symlink_to(images[number % len(images)])
    return folder


@contextmanager
def forbid_waiting() -> Iterator[None]:
    if not IS_GPU:
        yield
        return
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("architecture", BUILT_IN)
def test_a_batch_never_waits_for_the_gpu(architecture: str, precision: Precision) -> None:
    model = make_model(find(architecture), precision)
    batch = [model.prepare(read_demo_frame(2).frame)] * 2
    # The first one allocates memory and chooses algorithms.
    for _ in range(2 if IS_GPU else 0):
        model.argmax(model.compute_logits(batch)[0], batch[0].size_hw)
    with forbid_waiting():
        labels = model.argmax(model.compute_logits(batch)[0], batch[0].size_hw)
    assert labels.device.type == DEVICE.type


@pytest.mark.parametrize("architecture", BUILT_IN)
def test_logits_are_those_of_the_cpu(architecture: str) -> None:
    entry = find(architecture)
    images = torch.randn(2, 3, 184, 328, generator=torch.Generator().manual_seed(0))
    exact = make_model(entry, "fp32", torch.device("cpu")).runtime
    for precision in LIMITS if IS_GPU else ("fp32", "bf16"):
        runtime = make_model(entry, precision).runtime
        with torch.inference_mode():
            expected = exact.infer(images)[entry.task]
            logits = runtime.infer(images.to(DEVICE))[entry.task].float().cpu()
        difference = float((logits - expected).abs().max() / expected.std())
        same = float((logits.argmax(1) == expected.argmax(1)).float().mean())
        print(f"{architecture} {precision}: {difference:.1e} std, {same:.3%} of labels equal")
        assert difference < LIMITS[precision]


@pytest.mark.parametrize("architecture", ["pspnet", "deeplabv3", "hrnet", "apcnet"])
def test_the_same_batch_gives_the_same_masks(architecture: str) -> None:
    model = make_model(find(architecture), "fp16" if IS_GPU else "fp32")
    frames = [read_demo_frame(number).frame for number in (2, 4, 100)]
    alone, once, again = [model(frame) for frame in frames], model(frames), model(frames)
    for first, second in zip(once, again, strict=True):
        assert np.array_equal(first.labels, second.labels)
    differing = sum(int((a.labels != b.labels).sum()) for a, b in zip(alone, once, strict=True))
    print(f"{architecture}: {differing} pixels differ between a batch and single frames")


def test_batches_that_exceed_the_memory_are_halved(tmp_path: Path) -> None:
    entry, count = find("pspnet"), 96 if IS_GPU else 4
    if IS_GPU:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(4 * 2**30 / total)
    try:
        record = bddseg.infer(
            entry,
            write_frames(tmp_path / "frames", count),
            tmp_path / "out",
            weights=write_weights(entry, tmp_path / "weights.pth"),
            device=str(DEVICE),
            batch_size=48 if IS_GPU else 2,
        )
    finally:
        if IS_GPU:
            torch.cuda.set_per_process_memory_fraction(1.0)
    assert record is not None
    assert (record.done, record.failures) == (count, [])


@pytest.mark.parametrize("fault", ["", "assert", "sleep"])
def test_a_fault_of_a_gpu_ends_its_worker_and_no_frame_is_lost_in_silence(
    tiny: Path, tmp_path: Path, fault: str
) -> None:
    count, out = 40, tmp_path / "out"
    options = ["--device", DEVICE.type, "--batch-size", "2", "--stall-timeout", "1.5"]
    frames = write_frames(tmp_path / "frames", count)
    try:
        ranks = start_ranks(tiny, frames, out, *options, faults=["", fault])
        codes = [finish(process)[0] for process in ranks]
    finally:
        end_all()
    record, masks = read_run(out), len(list_masks(out))
    print(f"fault '{fault}': exit codes {codes}, {record['status']}, {masks} of {count} masks")
    assert masks == count or record["status"] != "finished"
    assert fault or codes == [0, 0]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", GFLOP)
def test_the_pipeline_costs_less_than_a_tenth(name: str, compiled: bool, tmp_path: Path) -> None:
    if not IS_GPU and (compiled or not name.startswith("pspnet")):
        pytest.skip("takes minutes on a CPU")
    entry = find_entry(name) if IS_GPU else find("pspnet")
    precision: Precision = "fp16" if IS_GPU else "fp32"
    weights = write_weights(entry, tmp_path / "weights.pth")
    size, count = (16, 800) if IS_GPU else (1, 8)
    options = {"weights": weights, "device": str(DEVICE), "precision": precision}
    model = bddseg.load_model(entry, compile=compiled, **options)  # type: ignore[arg-type]
    batch = [model.prepare(read_demo_frame(2).frame)] * size
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        model.argmax(model.compute_logits(batch)[0], batch[0].size_hw).cpu()
        seconds.append(time.perf_counter() - start)
    alone = size / statistics.median(seconds[3:])
    record = bddseg.infer(
        entry,
        write_frames(tmp_path / "frames", count),
        tmp_path / "out",
        batch_size=size,
        compile=compiled,
        **options,  # type: ignore[arg-type]
    )
    assert record is not None
    rate = record.done / record.seconds["run"]
    print(
        f"{entry.name} {precision}: network {alone:.1f} frames/s, run {rate:.1f}, "
        f"{rate * GFLOP[name] / 1e3:.1f} TFLOP/s if it is of full size, {record.workers[0].seconds}"
    )
    # Compiling is part of the run.
    assert not IS_GPU or compiled or rate > 0.9 * alone

"""The pipeline of one worker: batches, and memory that runs out."""

import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support import write_tiny_model
from torch import Tensor

from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.data.sources.source import open_source
from bddseg.errors import BddsegError
from bddseg.inference.download import Download
from bddseg.inference.images import Inputs
from bddseg.inference.manifest import Outcome, WorkItem
from bddseg.inference.pipeline import Pipeline, Work
from bddseg.inference.predictor import Predictor, load_model
from bddseg.inference.writers.writer import RunWriters
from bddseg.record import Failure


class CountingPredictor(Predictor):
    """A model that notes the sizes of its batches, and refuses large ones."""

    sizes: list[int]
    limit = 1000

    def compute_logits(self, batch: Sequence[Inputs]) -> list[Tensor]:
        self.sizes.append(len(batch))
        if len(batch) > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().compute_logits(batch)


@pytest.fixture
def model(tmp_path: Path) -> CountingPredictor:
    (tmp_path / "model").mkdir()
    loaded = load_model(str(write_tiny_model(tmp_path / "model", spread=True)), device="cpu")
    counting = CountingPredictor(loaded.entry, loaded.runtime)
    counting.sizes = []
    return counting


def make_pipeline(
    model: Predictor,
    source: Path,
    out: Path,
    *,
    batch_size: int,
    num_parallel: int = 1,
    num_io_threads: int = 1,
    pad_batches: bool = False,
    is_endless: bool = False,
) -> tuple[Pipeline, list[Failure]]:
    opened = open_source(str(source))
    items = [WorkItem(number=n, refs=[ref]) for n, ref in enumerate(opened.items())]
    failures: list[Failure] = []

    def claim() -> WorkItem | None:
        # As long as others have frames, those could come back.
        return items.pop(0) if items else WorkItem(number=-1, refs=[]) if is_endless else None

    def complete(outcome: Outcome) -> None:
        failures.extend(outcome.failures)

    work = Work(source=opened, claim=claim, is_done=lambda ref: False, complete=complete)
    writers = RunWriters(out, ["mask"], model.tasks, str(source))
    pipeline = Pipeline(
        model,
        writers,
        work,
        batch_size=batch_size,
        num_parallel=num_parallel,
        num_io_threads=num_io_threads,
        pad_batches=pad_batches,
    )
    return pipeline, failures


def test_frames_of_one_size_are_batched_and_those_of_many_do_not_wait(
    model: CountingPredictor, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    rng = np.random.default_rng(0)
    for number in range(30):
        size = (90, 160) if number % 2 else (40 + number, 160)
        cv2.imwrite(str(source / f"{number:02}.png"), rng.integers(0, 256, (*size, 3), np.uint8))
    out = tmp_path / "out"
    pipeline, failures = make_pipeline(model, source, out, batch_size=4, num_io_threads=3)
    pipeline.run()
    assert pipeline.done == sum(model.sizes) == 30
    assert 1 < max(model.sizes) <= 4
    assert not failures
    for path in sorted(source.iterdir()):
        mask = read_mask(out / "masks" / f"{path.stem}.png")
        assert (mask == model(read_image(path)).labels).mean() > 0.999


class MeetingPredictor(Predictor):
    """A model that computes an image when there are others to be computed with it."""

    barrier: threading.Barrier

    def compute_logits(self, batch: Sequence[Inputs]) -> list[Tensor]:
        self.barrier.wait(20)
        return super().compute_logits(batch)


def test_frames_are_computed_in_parallel(model: CountingPredictor, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        cv2.imwrite(str(source / f"{number}.png"), rng.integers(0, 256, (90, 160, 3), np.uint8))
    meeting = MeetingPredictor(model.entry, model.runtime)
    meeting.barrier = threading.Barrier(3)
    pipeline, failures = make_pipeline(meeting, source, out, batch_size=1, num_parallel=3)
    pipeline.run()
    assert (pipeline.done, failures) == (12, [])
    for path in source.iterdir():
        assert np.array_equal(read_mask(out / "masks" / path.name), model(path).labels)


@pytest.mark.parametrize("num_parallel", [1, 2])
def test_an_error_of_the_network_ends_a_run_that_waits_for_its_frames(
    model: CountingPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_parallel: int
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(6):
        cv2.imwrite(str(source / f"{number:02}.png"), np.full((90, 160, 3), number, np.uint8))
    plain, calls = model.compute_logits, count()

    def compute_logits(batch: Sequence[Inputs]) -> list[Tensor]:
        if next(calls) == 5:
            raise BddsegError("The network is broken.")
        return plain(batch)

    monkeypatch.setattr(model, "compute_logits", compute_logits)
    out = tmp_path / "out"
    pipeline, _ = make_pipeline(
        model, source, out, batch_size=1, num_parallel=num_parallel, is_endless=True
    )
    with pytest.raises(BddsegError, match="network is broken"):
        pipeline.run()
    assert pipeline.done == 5


def test_a_batch_that_does_not_fit_into_memory_is_halved(
    model: CountingPredictor, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(12):
        cv2.imwrite(str(source / f"{number:02}.png"), np.full((90, 160, 3), number, np.uint8))
    model.limit = 3
    pipeline, failures = make_pipeline(model, source, tmp_path / "out", batch_size=8)
    pipeline.run()
    assert (pipeline.done, failures) == (12, [])
    assert model.sizes[:3] == [8, 4, 2]
    assert max(model.sizes[3:]) <= 2


def test_a_single_frame_that_does_not_fit_into_memory_is_a_named_failure(
    model: CountingPredictor, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    cv2.imwrite(str(source / "large.png"), np.zeros((90, 160, 3), np.uint8))
    model.limit = 0
    pipeline, failures = make_pipeline(model, source, tmp_path / "out", batch_size=1)
    pipeline.run()
    assert pipeline.done == 0
    (failure,) = failures
    assert "large.png does not fit into the device's memory" in failure.error


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: out of memory", True),
        ("CUDA error: device-side assert triggered", False),
    ],
)
def test_failed_allocations_of_libraries_are_out_of_memory(
    model: CountingPredictor, message: str, expected: bool
) -> None:
    assert model.runtime.is_out_of_memory(RuntimeError(message)) == expected


def test_halves_run_when_the_activations_of_the_failed_batch_are_freed(
    model: CountingPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(8):
        cv2.imwrite(str(source / f"{number}.png"), np.full((90, 160, 3), number, np.uint8))
    held: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    plain = Predictor.compute_logits

    def compute_logits(batch: Sequence[Inputs]) -> list[Tensor]:
        alive.append(sum(each() is not None for each in held))
        # Stands for gigabytes of activations.
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        if len(batch) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return plain(model, batch)

    monkeypatch.setattr(model, "compute_logits", compute_logits)
    pipeline, failures = make_pipeline(model, source, tmp_path / "out", batch_size=8)
    pipeline.run()
    assert (pipeline.done, failures) == (8, [])
    assert len(alive) > 8
    assert not any(alive)


class StuckGpu(Predictor):
    """A GPU that takes work at once, and finishes a batch when it is told to."""

    finished: dict[int, threading.Event]
    launched: list[int]

    def compute_logits(self, batch: Sequence[Inputs]) -> list[Tensor]:
        self.launched.append(len(batch))
        return [torch.zeros(len(batch), 3, 4, 4)]

    def make_download(self, labels: Tensor) -> "StuckDownload":
        return StuckDownload(labels, self.finished[len(self.launched)])


class StuckDownload(Download):
    def __init__(self, labels: Tensor, finished: threading.Event) -> None:
        super().__init__(labels)
        self._finished = finished

    def wait(self) -> Tensor:
        assert self._finished.wait(20)
        return super().wait()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_gpu_has_its_next_batch_while_two_are_not_written(
    model: CountingPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(13):
        cv2.imwrite(str(source / f"{number:02}.png"), np.zeros((90, 160, 3), np.uint8))
    # Any but the CPU, whose batch size is not measured.
    monkeypatch.setattr(model.runtime, "device", torch.device("mps"))
    monkeypatch.setattr(
        model.runtime, "measure_batch_size", lambda infer_one, limit: infer_one() and 4
    )
    gpu = StuckGpu(model.entry, model.runtime)
    gpu.launched, gpu.finished = [], defaultdict(threading.Event)
    monkeypatch.setattr("bddseg.inference.pipeline.Download", gpu.make_download)
    pipeline, _ = make_pipeline(gpu, source, tmp_path / "out", batch_size=0)
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    # One image to measure, the one that waited for it, then full batches, and nothing is finished.
    wait_until(lambda: gpu.launched == [1, 1, 4, 4, 4])
    assert pipeline.done == 0
    # Who writes a batch waits for that batch, and not for all that was launched.
    gpu.finished[2].set()
    gpu.finished[3].set()
    wait_until(lambda: pipeline.done == 5)
    for number in (4, 5):
        gpu.finished[number].set()
    thread.join()
    assert pipeline.done == 13


def test_batches_that_are_not_full_are_filled_where_shapes_must_stay(
    model: CountingPredictor, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        image = rng.integers(0, 256, (90, 160, 3), np.uint8)
        cv2.imwrite(str(source / f"{number}.png"), image)
    pipeline, failures = make_pipeline(model, source, out, batch_size=4, pad_batches=True)
    pipeline.run()
    assert (pipeline.done, failures) == (6, [])
    assert set(model.sizes) == {4}
    for path in source.iterdir():
        mask = read_mask(out / "masks" / path.name)
        assert (mask == model(read_image(path)).labels).mean() > 0.999

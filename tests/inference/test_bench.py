"""Measuring configurations: in processes of their own, in turns."""

from itertools import count
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
import torch

from bddseg.errors import BddsegError
from bddseg.inference.bench.bench import bench
from bddseg.inference.bench.process import BenchProcess
from bddseg.inference.bench.result import STAGES, Configuration, Ratio
from bddseg.inference.pipeline import Pipeline
from bddseg.inference.run import Execution, RunSpec
from bddseg.inference.threads import set_num_threads
from bddseg.zoo.catalog import find_entry


def test_two_configurations_take_turns_on_frames_of_all_sizes(tiny: Path, frames: Path) -> None:
    first = Configuration(str(tiny), num_threads=1)
    second = Configuration(str(tiny), num_threads=1, batch_size=2)
    result = bench([first, second], frames, seconds=0.01)
    one, two = result.measurements
    assert result.sizes == {"72x128": 1, "128x72": 1, "97x161": 1, "50x50": 1, "64x96": 1}
    assert (one.configuration.runtime, one.device, one.num_threads) == ("torch", "cpu", 1)
    # Six turns of the larger batch, on both sides.
    assert (one.num_frames, two.num_frames) == (12, 12)
    assert tuple(two.stages_ms) == STAGES
    for each in (one, two):
        assert min(stage.p50 for stage in each.stages_ms.values()) > 0
        assert each.latency_ms.p50 <= each.latency_ms.p90 <= each.latency_ms.p99
        assert each.frames_per_s > 0
        assert each.pipelined_frames_per_s > 0
        assert each.peak_memory_mb["process"] > 50
    assert one.speedup is None
    assert two.speedup is not None
    assert two.speedup.low <= two.speedup.median <= two.speedup.high
    assert two.equal_pixels == 1.0
    assert result.failures == []


def test_a_first_configuration_that_cannot_run_is_an_error(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match="nowhere"):
        bench([Configuration(str(tiny))], tmp_path / "nowhere", seconds=0.01)


def test_a_process_that_dies_is_an_error(
    tiny: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that ends at once stands in for one that the kernel kills.
    monkeypatch.setattr("bddseg.inference.bench.bench._PROCESS", "this")
    with pytest.raises(BddsegError, match="process that was measured ended with exit code 0"):
        bench([Configuration(str(tiny))], frames)


def test_stages_add_up_to_the_time_of_a_batch(
    tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = RunSpec(
        entry=find_entry(tiny),
        weights=tiny.with_name("tiny.pth"),
        source=str(frames),
        execution=Execution(device="cpu", batch_size=3),
        out=tmp_path / "out",
    )
    subject = BenchProcess(spec)
    ticks = count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    # One tick for each of three frames that are decoded, and one for each other stage.
    assert subject.time_batches(2) == [[3.0, 1.0, 1.0, 1.0, 1.0]] * 2


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_pipelined_run_computes_as_many_frames_in_parallel_as_infer(
    tiny: Path,
    frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
) -> None:
    spec = RunSpec(
        entry=find_entry(tiny),
        weights=tiny.with_name("tiny.pth"),
        source=str(frames / "a.jpg"),
        execution=Execution(device="cpu", batch_size=batch_size, num_threads=4),
        out=tmp_path / "out",
    )
    made: list[dict[str, Any]] = []

    def make_pipeline(*arguments: Any, **settings: Any) -> Pipeline:
        made.append(settings | {"num_threads": torch.get_num_threads()})
        return Pipeline(*arguments, **settings)

    monkeypatch.setattr("bddseg.inference.distributed.frame_processor.Pipeline", make_pipeline)
    number = torch.get_num_threads()
    try:
        subject = BenchProcess(spec)
        assert subject.run(0) > 0
        # Latency is measured as before.
        assert torch.get_num_threads() == 4 // batch_size
    finally:
        set_num_threads(number)
    num_parallel = {1: 4, 2: 2}[batch_size]
    (settings,) = made
    assert (settings["num_parallel"], settings["batch_size"]) == (num_parallel, 1)
    assert settings["num_threads"] == 4 // num_parallel


def test_the_interval_of_a_median_is_that_of_its_order_statistics() -> None:
    assert Ratio.of([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == Ratio(3.5, 1.0, 6.0)
    # 2 to 9 of 10 is what tables of the sign test give.
    assert Ratio.of([float(number) for number in range(1, 11)]) == Ratio(5.5, 2.0, 9.0)
    ranks = [float(number) for number in range(1, 1001)]
    half_width = NormalDist().inv_cdf(0.975) * 1000**0.5 / 2
    ratio = Ratio.of(ranks)
    assert ratio.low == pytest.approx(500.5 - half_width, abs=1)
    assert ratio.high == pytest.approx(500.5 + half_width, abs=1)

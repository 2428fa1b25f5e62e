"""Measuring configurations: in processes of their own, in turns."""

from itertools import count
from pathlib import Path
from statistics import NormalDist

import pytest

from bddseg.errors import BddsegError
from bddseg.inference.bench.bench import bench
from bddseg.inference.bench.process import BenchProcess
from bddseg.inference.bench.result import STAGES, Configuration, Ratio
from bddseg.inference.run import Execution, RunSpec
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


def test_the_interval_of_a_median_is_that_of_its_order_statistics() -> None:
    assert Ratio.of([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == Ratio(3.5, 1.0, 6.0)
    # 2 to 9 of 10 is what tables of the sign test give.
    assert Ratio.of([float(number) for number in range(1, 11)]) == Ratio(5.5, 2.0, 9.0)
    ranks = [float(number) for number in range(1, 1001)]
    half_width = NormalDist().inv_cdf(0.975) * 1000**0.5 / 2
    ratio = Ratio.of(ranks)
    assert ratio.low == pytest.approx(500.5 - half_width, abs=1)
    assert ratio.high == pytest.approx(500.5 + half_width, abs=1)

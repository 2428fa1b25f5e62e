"""Measuring configurations side by side: each in a process of its own, in turn.

What else a machine does changes from second to second. Two configurations that take turns get the
same share of it, so the ratio of their times is steady where the times themselves are not.
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from math import lcm
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np

from bddseg.data.mask import MASKS_FOLDER, list_masks, read_mask
from bddseg.data.sources.source import Selection
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.bench.result import (
    STAGES,
    BenchResult,
    Configuration,
    Measurement,
    Percentiles,
    Ratio,
)
from bddseg.inference.distributed.launch import describe_end
from bddseg.inference.run import Execution, RunSpec, list_versions
from bddseg.inference.threads import choose_spinning
from bddseg.io.machine import get_cpu_name, get_load
from bddseg.progress import NUM_CORES, Progress, SilentProgress
from bddseg.specs import Precision
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights

_PROCESS = "bddseg.inference.bench.process"
# The fewest for which the median has a confidence interval of 95%.
_MIN_TURNS = 6


@dataclass(slots=True)
class _Candidate:
    """A configuration that is loaded, and the seconds of each stage of its batches so far."""

    configuration: Configuration
    spec: RunSpec
    call: Callable[..., Any]
    pipelined_frames_per_s: float
    batches: list[list[float]] = field(default_factory=list)

    def take_turn(self, num_frames: int) -> float:
        """Time some frames; return the seconds of all."""
        batches = self.call("time_batches", num_frames // self.configuration.batch_size)
        self.batches += batches
        return sum(map(sum, batches))

    def summarize(self, first: "_Candidate", turns: Sequence[Sequence[float]]) -> Measurement:
        """Return its measurement, compared with the first one's in the turns of both."""
        info, batch_size = self.call("describe"), self.configuration.batch_size
        times = [sum(stages) for stages in self.batches]
        by_stage = zip(STAGES, zip(*self.batches, strict=True), strict=True)
        return Measurement(
            configuration=self.configuration,
            runtime=info["runtime"],
            device=info["device"],
            num_threads=info["num_threads"],
            num_frames=len(times) * batch_size,
            latency_ms=Percentiles.of(times),
            stages_ms={
                stage: Percentiles.of([each / batch_size for each in seconds])
                for stage, seconds in by_stage
            },
            frames_per_s=batch_size / median(times),
            pipelined_frames_per_s=self.pipelined_frames_per_s,
            peak_memory_mb=info["peak_memory_mb"],
            speedup=None if self is first else Ratio.of([one / own for one, own in turns]),
            equal_pixels=None if self is first else _compare_masks(first.spec, self.spec),
        )


def bench(
    configurations: Sequence[Configuration],
    frames: str | Path,
    *,
    limit: int | None = 16,
    seconds: float = 10.0,
    sweep: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure configurations: `bddseg bench` as a function.

    Each is loaded in a process of its own, and warmed up with frames of each size. Those after the
    first take turns with it: a frame or a batch of one, then the same of the other, and the other
    way round. Files are read before, so they come from memory; masks are encoded and not written.

    Args:
        configurations: The first one is what the others are compared with.
        frames: An image, a folder, or another source that can be read again and again.
        limit: Only the first N frames, used in turn.
        seconds: How long each is measured, or six turns if they take longer.
        sweep: Compare the first one with each runtime, precision and batch size of this machine.
        progress: Shows how many frames were timed.

    Raises:
        BddsegError: the first configuration cannot be run. Others that cannot are in the result.
    """
    progress = progress or SilentProgress()
    configurations = [
        replace(each, runtime=each.runtime or find_entry(each.model).runtime)
        for each in configurations
    ]
    load = get_load()
    measurements: list[Measurement] = []
    failures: list[tuple[Configuration, str]] = []
    with tempfile.TemporaryDirectory(prefix="bddseg-bench-") as folder:
        session = _Session(str(frames), Selection(limit=limit), Path(folder), seconds, progress)
        with session.start(configurations[0]) as first:
            info = first.call("describe")
            others = [*configurations[1:], *(_list_sweep(first, info) if sweep else ())]
            for configuration in others:
                if configuration not in configurations and _resembles_failure(
                    configuration, failures
                ):
                    continue
                try:
                    with session.start(configuration) as other:
                        turns = session.alternate(first, other)
                        measurements.append(other.summarize(first, turns))
                except BddsegError as error:
                    failures.append((configuration, str(error)))
            if not measurements:
                session.alternate(first)
            measurements.insert(0, first.summarize(first, ()))
    return BenchResult(
        sizes=info["sizes"],
        cpu=get_cpu_name(),
        num_cores=NUM_CORES,
        load=load,
        versions=list_versions(),
        measurements=measurements,
        failures=failures,
    )


@dataclass(slots=True)
class _Session:
    """What all configurations have in common."""

    source: str
    selection: Selection
    folder: Path
    seconds: float
    progress: Progress
    num_started: int = 0
    num_frames: int = 0

    @contextmanager
    def start(self, configuration: Configuration) -> Iterator[_Candidate]:
        """Load a configuration in a process, and let it do a run."""
        self.num_started += 1
        spec = self._make_spec(configuration, self.folder / str(self.num_started))
        with _start_process() as call:
            for text in call("load", spec):
                warnings.warn(text, BddsegWarning, stacklevel=2)
            yield _Candidate(configuration, spec, call, call("run", self.seconds / 2))

    def alternate(self, *candidates: _Candidate) -> list[list[float]]:
        """Return the seconds of each candidate in each turn; all do the same number of frames."""
        num_frames = lcm(*(each.configuration.batch_size for each in candidates))
        turns: list[list[float]] = []
        end = time.perf_counter() + self.seconds * len(candidates)
        while len(turns) < _MIN_TURNS or time.perf_counter() < end:
            # Whoever comes second finds the frame in the processor's caches.
            order = (1, -1)[len(turns) % 2]
            turns.append([each.take_turn(num_frames) for each in candidates[::order]][::order])
            self.num_frames += num_frames * len(candidates)
            self.progress.update(done=self.num_frames)
        return turns

    def _make_spec(self, configuration: Configuration, out: Path) -> RunSpec:
        entry = find_entry(configuration.model)
        return RunSpec(
            entry=entry,
            weights=Path(configuration.weights) if configuration.weights else get_weights(entry),
            source=self.source,
            selection=self.selection,
            execution=Execution(
                runtime=configuration.runtime,
                device=configuration.device,
                precision=configuration.precision,
                batch_size=configuration.batch_size,
                compile=configuration.compile,
                num_threads=configuration.num_threads,
            ),
            out=out,
        )


@contextmanager
def _start_process() -> Iterator[Callable[..., Any]]:
    """Start a process, and yield what calls a method of the `BenchProcess` in it."""
    ours, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", _PROCESS, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=os.environ | choose_spinning(os.environ),
        stdin=subprocess.DEVNULL,
        # What libraries print does not belong to a command's output.
        stdout=2,
        # A terminal's Ctrl-C reaches this process alone.
        start_new_session=True,
    )
    theirs.close()

    def call(name: str, *arguments: object) -> Any:
        try:
            ours.send((name, *arguments))
            reply = ours.recv()
        except (EOFError, OSError) as error:
            raise BddsegError(
                f"The process that was measured {describe_end(process.wait())}.",
                "See what it printed above; if it was killed, the memory may be too small.",
            ) from error
        if isinstance(reply, BddsegError):
            raise reply
        return reply

    try:
        yield call
    finally:
        ours.close()
        process.kill()
        process.wait()


def _list_sweep(first: _Candidate, info: dict[str, Any]) -> Iterator[Configuration]:
    """Yield the first configuration with all other runtimes, precisions and batch sizes."""
    on_cpu = info["device"] == "cpu"
    # In half precision and on a CPU, fp16 has no hardware.
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if on_cpu else get_args(Precision)
    for runtime, precision, batch_size in product(
        (name for name in info["runtimes"] if name != "auto"),
        precisions,
        (1, 4) if on_cpu else (1, 4, 16),
    ):
        settings = {"runtime": runtime, "precision": precision, "batch_size": batch_size}
        configuration = replace(first.configuration, **settings)
        if configuration != first.configuration:
            yield configuration


def _resembles_failure(
    configuration: Configuration, failures: Sequence[tuple[Configuration, str]]
) -> bool:
    """Return whether the same with a smaller batch cannot be run already."""
    return any(
        (each.runtime, each.precision) == (configuration.runtime, configuration.precision)
        for each, _ in failures
    )


def _compare_masks(first: RunSpec, other: RunSpec) -> float | None:
    """Return the share of pixels that two runs agree on; None where their tasks differ."""
    if first.task != other.task:
        return None
    folders = first.out / MASKS_FOLDER, other.out / MASKS_FOLDER
    equal = [
        np.mean(read_mask(path) == read_mask(folders[1] / path.relative_to(folders[0])))
        for path in list_masks(folders[0])
    ]
    return float(np.mean(equal))

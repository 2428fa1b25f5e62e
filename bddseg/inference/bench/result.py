"""What `bench` is asked to measure, and what it measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Self

import numpy as np

from bddseg.specs import Precision

# The stages of a frame, one after the other. The first and the last are work of the CPU, and a GPU
# does the network, argmax and, between them and decoding, the preprocessing.
STAGES = ("decode", "preprocess", "network", "argmax", "encode")


@dataclass(frozen=True, slots=True)
class Configuration:
    """A model, and how its network is run.

    Attributes:
        model: A model's name, or the path of an entry's TOML file.
        weights: A checkpoint file; empty for the entry's own, downloaded if necessary.
        runtime: What executes the network; empty for what the entry says.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What the network computes in.
        batch_size: Frames at a time: on a GPU a batch, on a CPU in parallel. With 1, a pipelined
            run has as many as runs have by default.
        compile: Compile the network with torch.compile.
        num_threads: Threads of the network; 0 for the default.
    """

    model: str
    weights: str = ""
    runtime: str = ""
    device: str = "auto"
    precision: Precision = "fp32"
    batch_size: int = 1
    compile: bool = False
    num_threads: int = 0


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of one duration, in milliseconds."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Return those of durations in seconds."""
        return cls(*(1000 * float(each) for each in np.percentile(seconds, (50, 90, 99))))


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of paired ratios, and its 95% confidence interval."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Self:
        """Return that of 6 ratios or more; the interval lies between two of them."""
        ordered, number = sorted(ratios), len(ratios)
        # The median lies below the k-th smallest as rarely as a coin shows fewer than k heads.
        k, tail = 0, 1
        while 40 * tail <= 2**number:
            k += 1
            tail += comb(number, k)
        return cls(median(ordered), ordered[k - 1], ordered[-k])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How fast a configuration is.

    Attributes:
        configuration: What was measured.
        runtime: What executed the network: of "auto", what it chose.
        device: Where the network ran.
        num_threads: Threads of the network.
        num_frames: Number of frames that were timed.
        latency_ms: Time of a batch, all stages one after the other.
        stages_ms: Time of a frame in each stage; see `STAGES`.
        frames_per_s: Frames per second where the stages follow each other: median.
        pipelined_frames_per_s: Frames per second where they overlap, as in a run.
        peak_memory_mb: Peak memory of its process and, on a GPU, of torch on it.
        speedup: How many times as fast as the first configuration it is; None of the first itself.
        equal_pixels: Share of pixels whose class is that of the first configuration; None of the
            first itself, and of another task.
    """

    configuration: Configuration
    runtime: str
    device: str
    num_threads: int
    num_frames: int
    latency_ms: Percentiles
    stages_ms: dict[str, Percentiles]
    frames_per_s: float
    pipelined_frames_per_s: float
    peak_memory_mb: dict[str, float]
    speedup: Ratio | None = None
    equal_pixels: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """What was measured on one machine, in one go.

    Attributes:
        sizes: How many frames of each size, such as "720x1280" (height x width), were used in turn.
        cpu: Name of the processor.
        num_cores: Cores that the process may use.
        load: Processes that ran or waited for a core before.
        versions: Of Python and of the packages that matter.
        measurements: Of the configurations, in order.
        failures: Configurations that cannot be run, with the reason.
    """

    sizes: dict[str, int]
    cpu: str
    num_cores: int
    load: float
    versions: dict[str, str]
    measurements: list[Measurement]
    failures: list[tuple[Configuration, str]]

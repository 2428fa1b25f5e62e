"""How many frames a CPU computes in parallel, each with its share of the threads.

Threads that compute one frame together wait for each other after each layer; on a busy machine they
wait for the one that has no core. Those with frames of their own never wait
(tests/benchmarks/bench_busy.py). Large networks gain nothing, and their activations take gigabytes.
"""

from pathlib import Path

from bddseg.inference.run import RunSpec
from bddseg.inference.runtimes.runtime import RUNTIMES

# Bytes of the weights of a small network.
_SMALL = 16 << 20
# A limit for memory: each frame of swiftnet_lite takes 50 MB more.
_MAX_PARALLEL = 16


def choose_num_parallel(spec: RunSpec, num_threads: int) -> int:
    """Return how many frames a run is to compute in parallel in each worker.

    Args:
        spec: The run. Its batch size, if it has one, is the number; otherwise it is one for each
            thread if the network is small, else 1.
        num_threads: Number of threads of the worker.
    """
    execution = spec.execution
    runtime = RUNTIMES.load(execution.runtime)
    device = execution.device
    if device == "auto":
        device = next(iter(runtime.list_devices()), "")
    if device != "cpu" or not getattr(runtime, "is_thread_safe", False):
        return 1
    # Averages over time need one frame after the other, and compiled code has its own threads.
    if execution.is_smoothed or execution.compile:
        return 1
    if execution.batch_size:
        return min(execution.batch_size, num_threads)
    # The inputs of test-time augmentation take nine times the memory.
    is_small = not execution.tta and _get_size(spec.weights) <= _SMALL
    return min(num_threads, _MAX_PARALLEL) if is_small else 1


def _get_size(weights: Path) -> int:
    """Return the bytes of weights; OpenVINO's format has them in a .bin beside the .xml."""
    path = weights.with_suffix(".bin") if weights.suffix == ".xml" else weights
    return path.stat().st_size if path.is_file() else 0

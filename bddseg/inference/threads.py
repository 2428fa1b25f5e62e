"""The threads that compute a network on a CPU: how many, and how they wait for each other."""

import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bddseg.errors import BddsegError, BddsegWarning

# More than any machine has; torch crashes with too many.
MAX_THREADS = 1024
# How long threads spin: microseconds with GCC's OpenMP (milliseconds by default), a millisecond
# with that of LLVM and Intel (200 by default). Without spinning, the kernel has to wake threads in
# each layer: on an idle machine small networks take a fifth longer.
_SHORT_SPIN = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
_SPIN_VARIABLES = ("OMP_WAIT_POLICY", "KMP_LIBRARY", *_SHORT_SPIN)

_LOCK = threading.Lock()
_num_parallel = 1
_num_blocks = 0
_before = (1, 1)


def limit_spinning() -> None:
    """Let the threads that compute a network spin only briefly while they wait for each other.

    By default they check again and again for milliseconds, after each layer. Beside other busy
    processes they then wait for threads that have no core, and take the cores from them: a network
    takes several times as long (tests/benchmarks/bench_busy.py).

    Call it before torch is imported, which reads the environment once: this sets GOMP_SPINCOUNT and
    KMP_BLOCKTIME in this process's environment, unless one of them, OMP_WAIT_POLICY or KMP_LIBRARY
    is set. The command `bddseg` does so by itself, and so does Python code that uses
    `bddseg.load_model` or `bddseg.infer` before it imports torch.

    Warns:
        BddsegWarning: torch is imported already, so that it comes too late.
    """
    settings = choose_spinning(os.environ)
    if settings and "torch" in sys.modules:
        text = " ".join(f"{name}={value}" for name, value in settings.items())
        warnings.warn(
            "Torch is imported already, and its threads spin as before: call "
            f"bddseg.limit_spinning() before torch is imported, or set {text} in the environment.",
            BddsegWarning,
            stacklevel=2,
        )
    os.environ.update(settings)


def choose_spinning(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to an environment so that threads spin only briefly.

    Where a user has chosen how threads wait, that is nothing.

    Args:
        environment: Variables that are set.
    """
    is_chosen = any(name in environment for name in _SPIN_VARIABLES)
    return {} if is_chosen else dict(_SHORT_SPIN)


def set_num_threads(number: int, *, num_parallel: int = 1) -> None:
    """Let torch compute with so many threads, in the whole process.

    Args:
        number: Number of threads in all.
        num_parallel: Frames that are computed in parallel, and share the threads. Runtimes that
            have threads of their own ask for it with `get_num_parallel` when they compile.

    Raises:
        BddsegError: the number is not from 1 to `MAX_THREADS`.
    """
    if not 1 <= number <= MAX_THREADS:
        raise BddsegError(
            f"A network cannot be computed with {number} threads.",
            f"Use 1 to {MAX_THREADS}; the number of cores is best.",
        )
    import torch

    global _num_parallel
    _num_parallel = num_parallel
    torch.set_num_threads(max(1, number // num_parallel))


def get_num_threads() -> int:
    """Return the number of threads in all."""
    import torch

    return _num_parallel * torch.get_num_threads()


def get_num_parallel() -> int:
    """Return how many frames are computed in parallel, each with torch's number of threads."""
    return _num_parallel


@contextmanager
def restore_num_threads() -> Iterator[None]:
    """Set the number of threads, at the end of the block, to what it was at its start.

    Of blocks that overlap, in several threads, the last one to end does so.
    """
    global _num_blocks, _before
    import torch

    with _LOCK:
        if not _num_blocks:
            _before = torch.get_num_threads(), _num_parallel
        _num_blocks += 1
    try:
        yield
    finally:
        with _LOCK:
            _num_blocks -= 1
            if not _num_blocks:
                number, num_parallel = _before
                set_num_threads(number * num_parallel, num_parallel=num_parallel)

"""The threads that compute a network on a CPU: how many, and how they wait for each other."""

import os
import sys
import warnings
from collections.abc import Mapping

from bddseg.errors import BddsegError, BddsegWarning

# More than any machine has; torch crashes with too many.
MAX_THREADS = 1024
# How long threads spin: microseconds with GCC's OpenMP (milliseconds by default), a millisecond
# with that of LLVM and Intel (200 by default). Without spinning, the kernel has to wake threads in
# each layer: on an idle machine small networks take a fifth longer.
_SHORT_SPIN = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
_SPIN_VARIABLES = ("OMP_WAIT_POLICY", "KMP_LIBRARY", *_SHORT_SPIN)


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


def set_num_threads(number: int) -> None:
    """Let torch compute with so many threads, in the whole process.

    Raises:
        BddsegError: the number is not from 1 to `MAX_THREADS`.
    """
    if not 1 <= number <= MAX_THREADS:
        raise BddsegError(
            f"A network cannot be computed with {number} threads.",
            f"Use 1 to {MAX_THREADS}; the number of cores is best.",
        )
    import torch

    torch.set_num_threads(number)

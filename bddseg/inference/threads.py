"""The threads that compute a network on a CPU: how many, and how they wait for each other."""

import os
import sys
import warnings
from collections.abc import Mapping

from bddseg.errors import BddsegError, BddsegWarning

# More than any machine has; torch crashes with too many.
MAX_THREADS = 1024
# What OpenMP libraries read about waiting: all of them, that of GCC, those of LLVM and Intel.
_WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")


def use_passive_waiting() -> None:
    """Let the threads that compute a network sleep while they wait for each other.

    By default they check again and again for some milliseconds, after each layer. That gains
    nothing on an idle machine, and beside other busy processes, a network takes several times as
    long (tests/benchmarks/bench_busy.py), since threads wait busily for others that have no core.

    Call it before torch is imported, which reads the environment once: this sets OMP_WAIT_POLICY
    to PASSIVE in this process's environment, unless that, GOMP_SPINCOUNT, KMP_BLOCKTIME or
    KMP_LIBRARY is set. The command `bddseg` does so by itself.

    Warns:
        BddsegWarning: torch is imported already, so that it comes too late.
    """
    settings = choose_wait_policy(os.environ)
    if settings and "torch" in sys.modules:
        warnings.warn(
            "Torch is imported already, and its threads wait as before: call "
            "bddseg.use_passive_waiting() before torch is imported, or set "
            "OMP_WAIT_POLICY=PASSIVE in the environment.",
            BddsegWarning,
            stacklevel=2,
        )
    os.environ.update(settings)


def choose_wait_policy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to an environment so that threads wait passively.

    Where a user has chosen how they wait, that is nothing.

    Args:
        environment: Variables that are set.
    """
    is_chosen = any(name in environment for name in _WAIT_VARIABLES)
    return {} if is_chosen else {"OMP_WAIT_POLICY": "PASSIVE"}


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

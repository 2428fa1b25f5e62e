"""Memory of a process: keeping what a network frees, and how much was used at most."""

import ctypes
import re
import sys
from contextlib import suppress
from pathlib import Path

# glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next layer; for processes that we start.

    By default glibc maps each large tensor anew, and the kernel fills it with zeros page by page:
    a tenth to a third of a network's time on a CPU (tests/benchmarks/bench_pipeline.py). With one
    heap that never shrinks, peak memory stays the same. Without glibc, this does nothing. Call it
    before threads are started.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_TOP_PAD, 64 << 20)


def get_peak_memory_mb() -> float | None:
    """Return the peak resident memory of this process in MiB; None where it is not known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    # On Linux, the other number includes the process that started this one.
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text()):
            return int(found[1]) / 2**10
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

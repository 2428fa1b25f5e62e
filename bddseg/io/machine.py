"""The machine: its processor, and how much of it this process may use."""

import os
import platform
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def get_cpu_name() -> str:
    """Return the name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def get_load() -> float:
    """Return how many processes ran or waited for a core in the last minute; 0 if not known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def get_cpu_quota(root: Path = _CGROUPS) -> float | None:
    """Return how many cores' time a container may use; None without a limit.

    The number of cores that are visible does not say so: the rest of the time all are stopped.

    Args:
        root: Folder of the control groups, of version 1 or 2.
    """
    quotas = []
    for file, period in (("cpu.max", ""), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            text = (root / file).read_text() + (f" {(root / period).read_text()}" if period else "")
            quota_us, period_us = map(int, text.split())
            quotas += [quota_us / period_us] if quota_us > 0 else []
    return min(quotas, default=None)
